"""Idempotency: the requests that were done, by the ids that clients gave them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location, StudyName
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.named import NAMED_STUDY_KEY, named
from dodona_server.storage.tables.core import forgotten, requests

# Where an id is unique: in a study, named by its key, or in a location.
Scope = int | Location

_THIS = (
    requests.c.study_key == bindparam("of_study"),
    requests.c.location == bindparam("in_location"),
    requests.c.request_id == bindparam("id"),
)
_FIND = Statement(sa.select(requests.c.call, requests.c.result).where(*_THIS))
_FIND_IN_NAMED = Statement(
    sa.select(requests.c.call, requests.c.result).where(
        requests.c.study_key == NAMED_STUDY_KEY,
        requests.c.location == "",
        requests.c.request_id == bindparam("id"),
    )
)
_INSERT = Statement(requests.insert())
_SET_RESULT = Statement(requests.update().where(*_THIS).values(result=bindparam("new_result")))
_OLD = Statement(
    sa.select(requests.c.forget_time)
    .where(forgotten, requests.c.forget_time < bindparam("now"))
    .order_by(requests.c.forget_time)
    .limit(bindparam("limit"))
)
# With both ends: PostgreSQL may assume that a range with one end is a large part of the table.
_PURGE = Statement(
    requests.delete().where(forgotten, requests.c.forget_time.between(bindparam("first"), bindparam("last")))
)


@dataclass(frozen=True, slots=True)
class Done:
    """A request that was done: its call, and a reference to what the call made, empty for nothing."""

    call: str
    result: str


def find(transaction: Transaction, scope: Scope, request_id: str) -> Done | None:
    """Return the request that was done under that id."""
    row = _FIND.row(transaction, _key(scope, request_id))
    return None if row is None else Done(row["call"], row["result"])


def find_ahead(transaction: Transaction, name: StudyName, request_id: str) -> Callable[[], Done | None]:
    """Find the request of a study of that name, together with the next statement; the result returns it."""
    rows = _FIND_IN_NAMED.ahead(transaction, {**named(name), "id": request_id})

    def found() -> Done | None:
        return next((Done(row["call"], row["result"]) for row in rows()), None)

    return found


def insert(
    transaction: Transaction, scope: Scope, request_id: str, done: Done, forget_time: float | None = None
) -> None:
    """Record that a request was done under that id.

    If another server has done so at the same moment, the use case runs again and finds the id.

    Args:
        transaction: the transaction to write in.
        scope: where the id is unique.
        request_id: the client's id.
        done: the request.
        forget_time: when the id may be forgotten, in seconds since the epoch; None to keep it as long as its study.
    """
    key = _key(scope, request_id)
    values = {"study_key": key["of_study"], "location": key["in_location"], "request_id": request_id}
    values |= {"call": done.call, "result": done.result, "forget_time": forget_time}
    _INSERT.run(transaction, values)


def set_result(transaction: Transaction, scope: Scope, request_id: str, result: str) -> None:
    """Record another result of the request, which was done again because the first result is gone."""
    _SET_RESULT.run(transaction, {**_key(scope, request_id), "new_result": result})


def purge(transaction: Transaction, now: float, limit: int) -> int:
    """Delete up to `limit` requests that may be forgotten by `now`, in seconds since the epoch; return how many."""
    # Two servers may purge at once, which does no harm. SQLite has no DELETE with LIMIT.
    times = [row["forget_time"] for row in _OLD.rows(transaction, {"now": now, "limit": limit})]
    if times:
        _PURGE.run(transaction, {"first": times[0], "last": times[-1]})
    return len(times)


def _key(scope: Scope, request_id: str) -> dict[str, Any]:
    if isinstance(scope, int):
        return {"of_study": scope, "in_location": "", "id": request_id}
    return {"of_study": 0, "in_location": f"{scope.project}/{scope.location}", "id": request_id}
