"""Use of studies' budgets, and the forecast for the rest."""

from __future__ import annotations

from collections.abc import Callable

from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.budget import Usage
from dodona_server.domain.studies.study import Study
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.usage import usage_of
from dodona_server.storage.engine.store import Store, Transaction


class UsageQueries:
    """Tells what studies have used.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def of(self, name: StudyName) -> tuple[Study, Usage, float]:
        """Return a study, what it has used until now, and the time, in seconds since the epoch.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> tuple[Study, Usage, float]:
            study, now = get_study(transaction, name), self._clock()
            return study, usage_of(transaction, study, now), now

        return await self._store.read(query)
