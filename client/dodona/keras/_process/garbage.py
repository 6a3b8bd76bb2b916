"""The collection of garbage between two trials."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class OldObjects:
    """What was made before the first model of a search: no later collection of the search looks at it.

    KerasTuner collects twice before each model, so that the last one goes. Each time, Python would walk through all
    that TensorFlow has made when it was imported: half a second a trial, for nothing.
    """

    def __init__(self) -> None:
        self._searching = False

    @contextmanager
    def while_searching(self) -> Iterator[None]:
        """The search: at its end all objects are looked at again."""
        self._searching = not gc.get_freeze_count()  # else the program looks after it
        try:
            yield
        finally:
            if self._searching:
                gc.unfreeze()
            self._searching = False

    def set_aside(self) -> None:
        """Before a model is built: puts all objects aside, once in a search, less what is garbage already."""
        if self._searching and not gc.get_freeze_count():
            gc.collect()
            gc.freeze()
