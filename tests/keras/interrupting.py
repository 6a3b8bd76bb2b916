"""Ctrl-C in the middle of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest

from dodona.keras import CloudTuner
from tests.keras.models import DATA, build_fixed

Tune = Callable[..., CloudTuner]
NEVER = -1


class Leave(keras.callbacks.Callback):
    """Ctrl-C, at the beginning of the n-th epoch that is trained; counts the epochs."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.trained: list[int] = []

    def __deepcopy__(self, _memo: Any) -> Leave:
        return self

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if len(self.trained) == self.after:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.trained.append(epoch)


class Interrupted:
    """Searches twice: the first time until Ctrl-C, then, with another tuner, to the end."""

    def __init__(self, tune: Tune) -> None:
        self._tune = tune

    def __call__(self, after: int, first: Any = build_fixed, second: Any = None, **arguments: Any) -> list[int]:
        """The epochs that the second tuner has trained."""
        defaults = {"objective": "val_loss", "algorithm": "random_search", "max_trials": 1, "backup_seconds": 0}
        leave = Leave(after)
        with pytest.raises(KeyboardInterrupt):
            self._tune(first, **{**defaults, **arguments}).search(**DATA, epochs=3, callbacks=[leave], verbose=0)
        done, leave.after = len(leave.trained), NEVER
        self.tuner = self._tune(second or first, **{**defaults, **arguments})
        self.tuner.search(**DATA, epochs=3, callbacks=[leave], verbose=0)
        return leave.trained[done:]
