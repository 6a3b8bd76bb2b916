"""Audit log: who did what, from where, to what. Rows are added and, once they are old, deleted; never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.access import audit

# A longer text comes from a request, and says no more.
MAX_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry of the audit log.

    Args:
        time: in seconds since the epoch.
        actor: who.
        address: where the request came from; empty for a command on the server's machine.
        action: the name of the call.
        project: the one that it is about; empty if it is about no single one.
        target: the path of the resource.
        outcome: "done", or why not.
        key: grows with each entry; 0 before it is stored.
    """

    time: float
    actor: str
    address: str
    action: str
    project: str
    target: str
    outcome: str
    key: int = 0


def insert(transaction: Transaction, entry: Entry, before: float | None = None) -> None:
    """Add an entry, and delete those from before a time."""
    if before is not None:
        transaction.execute(audit.delete().where(audit.c.time < before))
    transaction.execute(
        audit.insert()
        .inline()
        .values(
            time=entry.time,
            actor=entry.actor[:MAX_LENGTH],
            address=entry.address[:MAX_LENGTH],
            action=entry.action,
            project=entry.project[:MAX_LENGTH],
            target=entry.target[:MAX_LENGTH],
            outcome=entry.outcome[:MAX_LENGTH],
        )
    )


def page(transaction: Transaction, projects: frozenset[str] | None, before: int | None, limit: int) -> Sequence[Entry]:
    """Return up to `limit` entries with keys below `before`, the latest first.

    Args:
        transaction: to read in.
        projects: those whose entries to return; None for all entries.
        before: a key; None for the latest.
        limit: how many at most.
    """
    query = sa.select(audit).order_by(audit.c.key.desc()).limit(limit)
    if projects is not None:
        query = query.where(audit.c.project.in_(sorted(projects)))
    if before is not None:
        query = query.where(audit.c.key < before)
    return [Entry(**row) for row in transaction.execute(query).mappings()]
