"""Callbacks of a trial: the user's, in each form that `fit` accepts, and those that save its model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras_tuner import Objective

from dodona.keras._compat import SaveBestEpoch, files, save_json
from dodona.keras._mapping.metrics import numbers
from dodona.keras._mapping.objective import score
from dodona.keras._training.reporting import Reporter


def callbacks_of(given: Any) -> list[Any]:
    """Return the callbacks in a list, from any form that Keras's `fit` accepts.

    Args:
        given: one callback, a list or a tuple of them, nested or not, a CallbackList, or None.

    Raises:
        TypeError: an element is not a callback; the message names it.
    """
    if given is None:
        return []
    if isinstance(given, list | tuple | set | frozenset):
        return [callback for one in given for callback in callbacks_of(one)]
    if isinstance(given, dict):
        return callbacks_of(list(given.values()))
    if isinstance(given, keras.callbacks.CallbackList):
        return list(given.callbacks)
    if isinstance(given, type) or not hasattr(given, "set_model"):
        raise TypeError(
            f"callbacks= has {given!r} of type {type(given).__name__}; it must be a keras.callbacks.Callback, "
            "or a list, a tuple or a CallbackList of them"
        )
    return [given]


class SaveBestMeasuredEpoch(SaveBestEpoch):  # type: ignore[misc]  # keras_tuner has no types
    """A callback that writes the weights of the best epoch with a measured objective, while the trial is this worker's.

    KerasTuner's callback replaces the best weights at each epoch without the objective. That is right only if no epoch
    measures it: it may be computed after `fit`. A worker that has lost the trial must not replace the files of the
    trial's new worker, if both share a folder.

    Args:
        objective: the study's objective.
        path: the path of the file.
        reporter: the trial's reporter; None if another replica reports.

    """

    def __init__(self, objective: Objective, path: str, reporter: Reporter | None) -> None:
        super().__init__(objective, path)
        self._reporter = reporter

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the file if the epoch is the best one so far."""
        metrics = numbers(logs or {})
        unmeasured = score(self.objective, metrics) is None and math.isfinite(self.best_value)
        if not unmeasured and (self._reporter is None or not self._reporter.lost):
            super().on_epoch_end(epoch, metrics)


class SaveBuildConfig(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """A callback that writes the build config, for models that know their input's shape only from the data.

    KerasTuner writes it in a method that users override.

    Args:
        path: the path of the file.

    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write the file after the first epoch."""
        if epoch == 0 or not files.exists(self._path):
            save_json(self._path, self.model.get_build_config())
