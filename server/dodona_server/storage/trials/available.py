"""What a study has for a client: unfinished trials, read from the index alone, before any is locked.

Most clients that ask have no trial, and most queues are empty. To find and sort no rows costs thirty times as much.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import StudyName
from dodona_server.domain.trials.trial import TrialState
from dodona_server.domain.worker import StopOrder
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.named import NAMED_STUDY_KEY, named
from dodona_server.storage.tables.core import trials, unfinished, workers


def _exists(state: TrialState, client_id: sa.ColumnElement[str] | str) -> sa.ColumnElement[bool]:
    # Of a column in the index: without statistics, SQLite uses it only if it has all that a query needs.
    found = sa.select(trials.c.number).where(
        trials.c.study_key == NAMED_STUDY_KEY, unfinished, trials.c.state == state.value
    )
    return found.where(trials.c.client_id == client_id).exists()


_COLUMNS: list[sa.ColumnElement[Any]] = [
    _exists(TrialState.ACTIVE, bindparam("of_client")).label("own"),
    _exists(TrialState.REQUESTED, "").label("queued"),
    sa.select(workers.c.stop)
    .where(workers.c.study_key == NAMED_STUDY_KEY, workers.c.client_id == bindparam("of_client"))
    .scalar_subquery()
    .label("stop"),
]
_FIND = Statement(sa.select(*_COLUMNS))


class Available(NamedTuple):
    """Presence of a client's running trials and of queued ones, and the order to the client to stop, if any."""

    own: bool
    queued: bool
    stop: StopOrder = StopOrder.NONE


def find(transaction: Transaction, study: StudyName, client_id: str) -> Available:
    """Return what the study has for the client."""
    (row,) = _FIND.rows(transaction, {**named(study), "of_client": client_id})
    return Available(bool(row["own"]), bool(row["queued"]), StopOrder(row["stop"] or ""))
