"""Curves of trials, read from the database when an algorithm asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from dodona_server.curve_model.curves import Table
from dodona_server.domain.trials.trial import Measurement
from dodona_server.service.computing.curve_table import read_table
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import measurements

# How many trials' measurements are read in one statement.
PAGE = 500


class StoredCurves:
    """Curves of a study's trials; see `Curves`.

    Args:
        begin: begins a transaction in the process's database.
        study_key: the study's.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Transaction]], study_key: int) -> None:
        self._begin = begin
        self._study_key = study_key

    def of(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Measurement]]:
        """Return the measurements of the trials of these numbers; see `Curves.of`."""
        curves: dict[int, Sequence[Measurement]] = {}
        with self._begin() as transaction:
            for start in range(0, len(numbers), PAGE):
                some = list(numbers[start : start + PAGE])
                curves |= measurements.of_trials(transaction, self._study_key, some)
        return curves

    def table(self) -> Table | None:
        """Return the study's curves as the model of curves has them; see `Curves.table`."""
        with self._begin() as transaction:
            return read_table(transaction, self._study_key)
