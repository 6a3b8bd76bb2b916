"""Operations in the database: which trials a call to suggest assigned to which client."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.studies.study import StudyState
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.statement import Row, Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import operations, studies

_IN_STUDY = Statement(
    sa.select(operations).where(
        operations.c.study_key == bindparam("study_key"), operations.c.operation_id == bindparam("operation_id")
    )
)
_STUDIES = studies.alias()
_NAMED = (
    sa.select(operations, studies.c.study_id)
    .join(studies, studies.c.key == operations.c.study_key)
    .where(studies.c.project == bindparam("project"), studies.c.location == bindparam("location"))
)
_FIND = Statement(_NAMED.where(operations.c.operation_id == bindparam("operation_id")))
_ALL = (
    _NAMED.where(operations.c.operation_id > bindparam("after"))
    .order_by(operations.c.operation_id)
    .limit(bindparam("limit"))
)
_PAGE = Statement(_ALL)
# The study's key first, because its index on operations has them in order.
_PAGE_OF_STUDY = Statement(
    _ALL.where(
        operations.c.study_key
        == sa.select(_STUDIES.c.key)
        .where(
            _STUDIES.c.project == bindparam("project"),
            _STUDIES.c.location == bindparam("location"),
            _STUDIES.c.study_id == bindparam("study"),
        )
        .scalar_subquery()
    )
)

_INSERT = Statement(operations.insert())
_DELETE = Statement(operations.delete().where(operations.c.operation_id == bindparam("of_operation")))
_OLD = Statement(
    sa.select(operations.c.operation_id)
    .where(operations.c.operation_id < bindparam("before"))
    .order_by(operations.c.operation_id)
    .limit(bindparam("limit"))
)
# A range with both ends: PostgreSQL may read the whole table for a list, or for a range with one end.
_PURGE = Statement(operations.delete().where(operations.c.operation_id.between(bindparam("first"), bindparam("last"))))


@dataclass(frozen=True, slots=True)
class SuggestOperation:
    """Answer of a call to suggest; `create_time` is in seconds since the epoch."""

    operation_id: str
    client_id: str
    trial_numbers: list[int]
    study_state: StudyState
    create_time: float
    suggestion_count: int = 0


def insert(transaction: Transaction, study_key: int, operation: SuggestOperation) -> None:
    """Store an operation."""
    row = {
        "operation_id": operation.operation_id,
        "study_key": study_key,
        "client_id": operation.client_id,
        "trial_numbers": codec.dump_numbers(operation.trial_numbers),
        "study_state": operation.study_state.value,
        "create_time": operation.create_time,
        "suggestion_count": operation.suggestion_count,
    }
    _INSERT.run(transaction, row)


def find_in_study(transaction: Transaction, study_key: int, operation_id: str) -> SuggestOperation | None:
    """Return the study's operation of that id."""
    row = _IN_STUDY.row(transaction, {"study_key": study_key, "operation_id": operation_id})
    return None if row is None else _operation(row)


def find(
    transaction: Transaction, project: str, location: str, operation_id: str
) -> tuple[int, str, SuggestOperation] | None:
    """Return the operation with the key and the id of its study."""
    parameters = {"project": project, "location": location, "operation_id": operation_id}
    row = _FIND.row(transaction, parameters)
    return None if row is None else _named(row)


def page(
    transaction: Transaction, project: str, location: str, study_id: str | None, after: str, limit: int
) -> list[tuple[int, str, SuggestOperation]]:
    """Return up to `limit` operations with an id after `after`, by id, of one study or of all; entries as in `find`."""
    parameters = {"project": project, "location": location, "after": after, "limit": limit}
    if study_id is None:
        rows = _PAGE.rows(transaction, parameters)
    else:
        rows = _PAGE_OF_STUDY.rows(transaction, {**parameters, "study": study_id})
    return [_named(row) for row in rows]


def delete(transaction: Transaction, operation_id: str) -> None:
    """Delete an operation; its trials stay."""
    _DELETE.run(transaction, {"of_operation": operation_id})


def purge(transaction: Transaction, before: str, limit: int) -> int:
    """Delete up to `limit` operations with an id before `before`, which are older; return how many."""
    ids = [row["operation_id"] for row in _OLD.rows(transaction, {"before": before, "limit": limit})]
    if ids:
        _PURGE.run(transaction, {"first": ids[0], "last": ids[-1]})
    return len(ids)


def new_id(now: float) -> str:
    """Return a unique id that sorts after all ids from an earlier time.

    Args:
        now: the time, in seconds since the epoch.
    """
    return f"{oldest_id(now)}{secrets.token_hex(10)}"


def oldest_id(now: float) -> str:
    """Return a text that sorts before every id created from `now` on."""
    return f"{round(now * 1000):012x}"


def _named(row: Row) -> tuple[int, str, SuggestOperation]:
    return row["study_key"], row["study_id"], _operation(row)


def _operation(row: Row) -> SuggestOperation:
    return SuggestOperation(
        operation_id=row["operation_id"],
        client_id=row["client_id"],
        trial_numbers=codec.load_numbers(row["trial_numbers"]),
        study_state=StudyState(row["study_state"]),
        create_time=row["create_time"],
        suggestion_count=row["suggestion_count"],
    )
