"""Which unfinished trials there are for a client that asks: read from the index alone, before any is locked.

Most clients that ask have no trial, and most queues are empty. To find and sort no rows costs thirty times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import trials, unfinished
from dodona_server.storage.trials.rows import IN_STUDY


def _exists(state: TrialState, client_id: sa.ColumnElement[str] | str) -> sa.ColumnElement[bool]:
    # Of a column in the index: without statistics, SQLite uses it only if it has all that a query needs.
    found = sa.select(trials.c.number).where(IN_STUDY, unfinished, trials.c.state == state.value)
    return found.where(trials.c.client_id == client_id).exists()


_COLUMNS: list[sa.ColumnElement[Any]] = [
    _exists(TrialState.ACTIVE, bindparam("of_client")).label("own"),
    _exists(TrialState.REQUESTED, "").label("queued"),
]
_FIND = Statement(sa.select(*_COLUMNS))


class Available(NamedTuple):
    """Whether a client has running trials, and whether any trials are queued."""

    own: bool
    queued: bool


def find(transaction: Transaction, study: Study, client_id: str) -> Callable[[], Available]:
    """Look which trials there are for the client, together with the next statement; the result returns them."""
    rows = _FIND.ahead(transaction, {"of_study": study.key, "of_client": client_id})

    def found() -> Available:
        (row,) = rows()
        return Available(bool(row["own"]), bool(row["queued"]))

    return found
