"""Changes of studies: done once for each request id, and recorded as a user's."""

from __future__ import annotations

from collections.abc import Callable

from dodona_server.domain.errors import DodonaError
from dodona_server.domain.event import USER, Event, EventKind
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.service.idempotency import IdempotentCall
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage import events
from dodona_server.storage.engine.store import Store, Transaction


class Changing:
    """Base of services that change studies.

    Args:
        store: where studies are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def _run(
        self, name: StudyName, verb: str, request_id: str | None, use_case: Callable[[Transaction], Study | DodonaError]
    ) -> Study:
        """Run a use case once for each request id, and return its answer."""
        once = IdempotentCall(request_id, f"{verb} {name}", name, self._clock())
        return await self._store.run(once(use_case, lambda transaction: get_study(transaction, name)))

    def _record(self, transaction: Transaction, study: Study, kind: EventKind, detail: str = "") -> None:
        events.append(transaction, study.key, [Event(kind, self._clock(), detail=detail, actor=USER)])
