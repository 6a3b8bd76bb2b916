"""Idempotency: the requests that were done, by the ids that clients gave them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location
from dodona_server.storage.statement import Statement
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import requests

_FIND = Statement(
    sa.select(requests.c.call).where(
        requests.c.project == bindparam("project"),
        requests.c.location == bindparam("location"),
        requests.c.request_id == bindparam("request_id"),
    )
)


_INSERT = Statement(requests.insert())
_OLD = Statement(
    sa.select(requests.c.create_time)
    .where(requests.c.create_time < bindparam("before"))
    .order_by(requests.c.create_time)
    .limit(bindparam("limit"))
)
# With both ends: PostgreSQL may assume that a range with one end is a large part of the table.
_PURGE = Statement(requests.delete().where(requests.c.create_time.between(bindparam("first"), bindparam("last"))))


def find(transaction: Transaction, parent: Location, request_id: str) -> str | None:
    """Return the call that was done under that id in the location."""
    done: str | None = _FIND.value(transaction, _key(parent, request_id))
    return done


def insert(transaction: Transaction, parent: Location, request_id: str, call: str, now: float) -> None:
    """Record that `call` was done under that id, at `now` in seconds since the epoch.

    If another server has done so at the same moment, the use case runs again and finds the id.
    """
    _INSERT.run(transaction, {**_key(parent, request_id), "call": call, "create_time": now})


def purge(transaction: Transaction, before: float, limit: int) -> int:
    """Delete up to `limit` requests from before that time, in seconds since the epoch; return how many."""
    # Two servers may purge at once, which does no harm. SQLite has no DELETE with LIMIT.
    times = [row["create_time"] for row in _OLD.rows(transaction, {"before": before, "limit": limit})]
    if times:
        _PURGE.run(transaction, {"first": times[0], "last": times[-1]})
    return len(times)


def _key(parent: Location, request_id: str) -> dict[str, str]:
    return {"project": parent.project, "location": parent.location, "request_id": request_id}
