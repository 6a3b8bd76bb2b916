"""Studies that were removed for good: hidden at once, and deleted bit by bit."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import (
    REMOVED,
    curves,
    events,
    measurements,
    operations,
    requests,
    studies,
    trials,
    workers,
)
from dodona_server.storage.tables.webhooks import webhook_cursors

_COUNT_REMOVED = Statement(sa.select(sa.func.count()).where(studies.c.project == REMOVED))
_DELETE = Statement(studies.delete().where(studies.c.key == bindparam("of_study")))
_REMOVED_STUDY = Statement(
    sa.select(studies.c.key).where(studies.c.project == REMOVED).order_by(studies.c.key).limit(1)
)
# The tables with rows of a study, each before those that it refers to.
_OF_STUDY = (curves, measurements, trials, workers, events, operations, requests, webhook_cursors)
_REMOVE = Statement(
    studies.update()
    .where(studies.c.key == bindparam("of_study"))
    .values(
        project=REMOVED,
        location=REMOVED,
        study_id=sa.cast(studies.c.key, sa.String),
        display_name=sa.cast(studies.c.key, sa.String),
        check_time=None,
    )
)


def remove(transaction: Transaction, key: int) -> None:
    """Hide the study with that key and free its name; `clear_removed` deletes its rows."""
    _REMOVE.run(transaction, {"of_study": key})


def any_removed(transaction: Transaction) -> bool:
    """Return whether there is a removed study to clear."""
    return _REMOVED_STUDY.row(transaction) is not None


def count_removed(transaction: Transaction) -> int:
    """Return how many removed studies there are to clear."""
    counted: int = _COUNT_REMOVED.value(transaction)
    return counted


def clear_removed(transaction: Transaction, limit: int) -> bool:
    """Delete up to `limit` rows of a removed study, then the study itself; return whether there was one."""
    key = _REMOVED_STUDY.value(transaction)
    if key is None:
        return False
    for table in _OF_STUDY:
        limit -= _clear(transaction, table, key, limit)
        if limit <= 0:
            return True
    # After the trials: an upload that is about to end locks its trial, so its artifact is visible here.
    if artifacts.discard_of_study(transaction, key, limit) == limit:
        return True
    _DELETE.run(transaction, {"of_study": key})
    return True


def _clear(transaction: Transaction, table: sa.Table, study_key: int, limit: int) -> int:
    """Delete up to `limit` of the table's rows of the study, and return how many."""
    columns = list(table.primary_key)
    some = sa.select(*columns).where(table.c.study_key == study_key).order_by(*columns).limit(limit)
    rows = Statement(some).rows(transaction)
    if rows:
        # One by one: for a list PostgreSQL may read the whole table.
        this = [column == bindparam(f"of_{column.name}") for column in columns]
        keys = [{f"of_{name}": value for name, value in row.items()} for row in rows]
        Statement(table.delete().where(*this)).run_each(transaction, keys)
    return len(rows)
