"""Idempotency: the requests that were done, by the ids that clients gave them."""

from __future__ import annotations

import functools

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location
from dodona_server.storage.statement import Statement, insert_into
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import requests

_FIND = Statement(
    sa.select(requests.c.call).where(
        requests.c.project == bindparam("project"),
        requests.c.location == bindparam("location"),
        requests.c.request_id == bindparam("request_id"),
    )
)


@functools.cache
def _insert(dialect: str) -> Statement:
    return Statement(insert_into(requests, dialect).on_conflict_do_nothing().returning(requests.c.call))


_OLD = Statement(
    sa.select(requests.c.create_time)
    .where(requests.c.create_time < bindparam("before"))
    .order_by(requests.c.create_time)
    .limit(bindparam("limit"))
)
# With both ends: PostgreSQL may assume that a range with one end is a large part of the table.
_PURGE = Statement(requests.delete().where(requests.c.create_time.between(bindparam("first"), bindparam("last"))))


def remember(transaction: Transaction, parent: Location, request_id: str, call: str, now: float) -> str | None:
    """Record that `call` is done under that id; return the earlier call if the id is already used.

    Args:
        transaction: the transaction to write in.
        parent: the location in which the id is unique.
        request_id: the client's id.
        call: the call.
        now: the time, in seconds since the epoch.
    """
    key = _key(parent, request_id)
    values = {**key, "call": call, "create_time": now}
    if _insert(transaction.dialect.name).value(transaction, values) is not None:
        return None
    done: str = _FIND.value(transaction, key)
    return done


def purge(transaction: Transaction, before: float, limit: int) -> int:
    """Delete up to `limit` requests from before that time, in seconds since the epoch; return how many."""
    # Two servers may purge at once, which does no harm. SQLite has no DELETE with LIMIT.
    times = [row["create_time"] for row in _OLD.rows(transaction, {"before": before, "limit": limit})]
    if times:
        _PURGE.run(transaction, {"first": times[0], "last": times[-1]})
    return len(times)


def _key(parent: Location, request_id: str) -> dict[str, str]:
    return {"project": parent.project, "location": parent.location, "request_id": request_id}
