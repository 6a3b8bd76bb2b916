"""Numbers of studies and trials, for metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage import gauges
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import deleted_studies

# Requests that come more often get the same figures, so that metrics never cost the database much.
KEPT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of studies and trials by state, and of deleted studies that can be restored."""

    studies: Mapping[StudyState, int]
    trials: Mapping[TrialState, int]
    deleted: int


class Gauges:
    """Counts studies and trials of all projects.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._figures: Figures | None = None
        self._counted = 0.0

    async def figures(self) -> Figures:
        """Return the numbers, which may be `KEPT_SECONDS` old.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._lock:
            if self._figures is None or time.monotonic() - self._counted > KEPT_SECONDS:
                self._figures = await self._store.read(_figures)
                self._counted = time.monotonic()
            return self._figures


def _figures(transaction: Transaction) -> Figures:
    return Figures(
        gauges.studies_by_state(transaction), gauges.trials_by_state(transaction), deleted_studies.count(transaction)
    )
