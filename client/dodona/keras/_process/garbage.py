"""Garbage collection between two trials."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class FrozenObjects:
    """Objects from before a search's first model: no later collection of the search visits them.

    KerasTuner collects twice before each model, to free the last one. Each time, Python would visit all objects that
    TensorFlow's import has created: half a second a trial, for nothing.
    """

    # Frozen objects are counted by visiting them all: once they are the program's, they are not counted again.
    are_of_program: ClassVar[bool] = False

    def __init__(self) -> None:
        self._may_freeze = self._has_frozen = False

    @contextmanager
    def during_search(self) -> Iterator[None]:
        """Return all objects to the collector at the end of the search, unless the program has frozen some itself."""
        cls = type(self)
        cls.are_of_program = cls.are_of_program or gc.get_freeze_count() > 0
        self._may_freeze = not cls.are_of_program
        try:
            yield
        finally:
            if self._has_frozen:
                gc.unfreeze()
            self._may_freeze = self._has_frozen = False

    def freeze_all(self) -> None:
        """Exclude all objects from later collections, once in a search, and collect garbage first."""
        if self._may_freeze and not self._has_frozen:
            gc.collect()
            gc.freeze()
            self._has_frozen = True
