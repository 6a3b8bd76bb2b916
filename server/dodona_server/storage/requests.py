"""The requests that were done, by the ids that clients gave them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import requests

_FIND = sa.select(requests.c.call).where(
    requests.c.project == bindparam("project"),
    requests.c.location == bindparam("location"),
    requests.c.request_id == bindparam("request_id"),
)


def find(transaction: Transaction, parent: Location, request_id: str) -> str | None:
    """Which call was done under that id; None if none was."""
    call: str | None = transaction.execute(_FIND, _key(parent, request_id)).scalar()
    return call


def insert(transaction: Transaction, parent: Location, request_id: str, call: str, now: float) -> None:
    """Keeps that `call` was done under that id at the time `now`, in seconds since the epoch."""
    transaction.execute(requests.insert(), {**_key(parent, request_id), "call": call, "create_time": now})


def purge(transaction: Transaction, before: float, limit: int) -> int:
    """Forgets up to `limit` requests from before that time, in seconds since the epoch; how many."""
    # Two servers may purge at once, which does no harm; SQLite has no DELETE with a LIMIT.
    time = requests.c.create_time
    old = sa.select(time).where(time < before).order_by(time).limit(limit)
    if times := transaction.execute(old).scalars().all():
        # With both ends: of a single one PostgreSQL may think that it is a large part of the table.
        transaction.execute(requests.delete().where(time.between(times[0], times[-1])))
    return len(times)


def _key(parent: Location, request_id: str) -> dict[str, str]:
    return {"project": parent.project, "location": parent.location, "request_id": request_id}
