"""Audit log: who did what, from where, to what. It has no secret in it, and no call of a worker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from dodona_server.domain.access.roles import Principal
from dodona_server.storage.access import audit
from dodona_server.storage.access.audit import Entry
from dodona_server.storage.engine.store import Store

PAGE = 500
KEPT_SECONDS = 365 * 24 * 3600.0
PURGE_SECONDS = 3600.0
# Of refusals of the same kind, one is kept in this time: a flood of them must not fill the database.
REFUSAL_SECONDS = 10.0
MAX_REMEMBERED = 4096


class AuditLog:
    """Adds entries, and reads them.

    Args:
        store: where they are kept.
        kept_seconds: for how long.
    """

    def __init__(self, store: Store, kept_seconds: float = KEPT_SECONDS) -> None:
        self._store = store
        self._kept_seconds = kept_seconds
        self._purged = 0.0
        self._refused: dict[tuple[str, str], float] = {}

    async def record(self, entry: Entry) -> None:
        """Add an entry, and delete those that are too old.

        Raises:
            Unavailable: the database does not answer.
        """
        is_due = entry.time - self._purged > PURGE_SECONDS
        self._purged = entry.time if is_due else self._purged
        before = entry.time - self._kept_seconds if is_due else None
        await self._store.run(lambda transaction: audit.insert(transaction, entry, before))

    async def record_refusal(self, entry: Entry) -> None:
        """Add an entry about a refusal, unless there was one of the same kind shortly before."""
        kind = (entry.actor or entry.address, entry.action)
        if entry.time - self._refused.get(kind, 0.0) < REFUSAL_SECONDS:
            return
        if len(self._refused) >= MAX_REMEMBERED:
            self._refused.clear()
        self._refused[kind] = entry.time
        await self.record(entry)

    async def page(self, by: Principal, before: int | None = None, limit: int = PAGE) -> Sequence[Entry]:
        """Return up to `limit` entries of the projects that `by` administers, the latest first."""
        projects = by.projects_of("list_audit")
        return await self._store.read(lambda transaction: audit.page(transaction, projects, before, limit))

    async def all(self, by: Principal) -> AsyncIterator[Sequence[Entry]]:
        """Yield all of them in pages, the latest first."""
        before = None
        while page := await self.page(by, before):
            yield page
            before = page[-1].key


def entry_of(actor: str, address: str, action: str, project: str, target: str, outcome: str) -> Entry:
    """Return an entry about something that happens now. A path may have characters that no database takes."""
    return Entry(time.time(), _printable(actor), address, action, project, _printable(target), outcome)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
