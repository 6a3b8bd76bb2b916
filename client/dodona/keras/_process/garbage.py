"""Garbage collection between two trials."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class FrozenObjects:
    """Objects from before a search's first model: no later collection of the search visits them.

    KerasTuner collects twice before each model, to free the last one. Each time, Python would visit all objects that
    TensorFlow's import has created: half a second a trial, for nothing.
    """

    def __init__(self) -> None:
        self._searching = False

    @contextmanager
    def during_search(self) -> Iterator[None]:
        """Return all objects to the collector at the end of the search."""
        self._searching = not gc.get_freeze_count()  # otherwise the program manages it
        try:
            yield
        finally:
            if self._searching:
                gc.unfreeze()
            self._searching = False

    def freeze_all(self) -> None:
        """Exclude all objects from later collections, once in a search, and collect garbage first."""
        if self._searching and not gc.get_freeze_count():
            gc.collect()
            gc.freeze()
