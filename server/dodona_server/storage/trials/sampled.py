"""Sample of many trials, for figures."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.studies.study import Goal, Study
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import trials, unfinished
from dodona_server.storage.trials.ranking import KINDS, Kind, kind_of
from dodona_server.storage.trials.rows import IN_STUDY

_UNFINISHED = Statement(sa.select(trials.c.number).where(IN_STUDY, unfinished).limit(bindparam("limit")))
_SECONDS = Statement(
    sa.select(sa.func.sum(trials.c.end_time - trials.c.start_time)).where(IN_STUDY, trials.c.start_time.is_not(None))
)


def _best_of_parts(kind: Kind) -> Statement:
    # The index of the ranking contains both columns.
    order = kind.objective.desc() if kind.goal is Goal.MAXIMIZE else kind.objective
    part = trials.c.number // bindparam("every", type_=sa.BigInteger)
    place = sa.func.row_number().over(partition_by=part, order_by=[order, trials.c.number]).label("place")
    placed = sa.select(trials.c.number, place).where(IN_STUDY, kind.objective.is_not(None)).subquery()
    return Statement(sa.select(placed.c.number).where(placed.c.place == 1))


_BEST_OF_PARTS = {kind: _best_of_parts(kind) for kind in KINDS}


def best_of_parts(transaction: Transaction, study: Study, parts: int) -> list[int]:
    """Return the numbers of the best trials of `parts` equal parts of the study."""
    every = max(1, -(-study.next_trial_number // parts))
    statement = _BEST_OF_PARTS[kind_of(transaction, study)]
    return [row["number"] for row in statement.rows(transaction, {"of_study": study.key, "every": every})]


def unfinished_numbers(transaction: Transaction, study: Study, most: int) -> list[int]:
    """Return the numbers of up to `most` trials that have not ended."""
    return [row["number"] for row in _UNFINISHED.rows(transaction, {"of_study": study.key, "limit": most})]


def compute_seconds(transaction: Transaction, study: Study) -> float:
    """Return how long all ended trials ran together, in seconds; this reads all of them."""
    return _SECONDS.value(transaction, {"of_study": study.key}) or 0.0
