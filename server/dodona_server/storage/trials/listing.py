"""Lists of trials for people, without measurements, with short metadata; each page is answered from an index."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Goal, Study
from dodona_server.domain.trials.listing import Among, Listing, Order
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.statement import Statement, in_selected, one_of
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import infeasible, ranked, ranked_partially, trials, unfinished
from dodona_server.storage.trials.ranking import KINDS, Kind, kind_of, ranking_of
from dodona_server.storage.trials.rows import IN_STUDY, NOTED, read_trial

LAST = 2**62

_FIRST: sa.BindParameter[int] = bindparam("first")
_LIMIT: sa.BindParameter[int] = bindparam("limit")
_OPPOSITE = {Goal.MAXIMIZE: Goal.MINIMIZE, Goal.MINIMIZE: Goal.MAXIMIZE}


def _by_number(among: Among, *, newest: bool) -> Statement:
    # Unfinished trials are few: SQLite must find them by their own index, and sort them.
    number = trials.c.number + 0 if among is Among.UNFINISHED else trials.c.number
    begins = number <= _FIRST if newest else number >= _FIRST
    order = number.desc() if newest else number
    rows = NOTED.order_by(order).limit(_LIMIT)
    if among is Among.ALL:
        return Statement(rows.where(IN_STUDY, begins))
    if among in (Among.SUCCEEDED, Among.STOPPED):
        # In the primary key's order: SQLite would else sort all of the ranking.
        some = ranked_partially if among is Among.STOPPED else sa.or_(ranked, ranked_partially)
        return Statement(rows.where(IN_STUDY, begins, trials.c.end_time.is_not(None), some))
    # The numbers come first, from the index alone.
    if among is Among.UNFINISHED:
        few = sa.select(trials.c.number).where(IN_STUDY, unfinished)
        return Statement(rows.where(IN_STUDY, in_selected(trials.c.number, few), begins))
    failed = sa.select(trials.c.number).where(IN_STUDY, infeasible, begins).order_by(order).limit(_LIMIT)
    return Statement(rows.where(IN_STUDY, in_selected(trials.c.number, failed)))


_BY_NUMBER = {(among, newest): _by_number(among, newest=newest) for among in Among for newest in (True, False)}
_RANKED = {kind: Statement(ranking_of(kind, NOTED)) for kind in KINDS}
_RANKED_AFTER = {kind: Statement(ranking_of(kind, NOTED, after=True)) for kind in KINDS}
_NUMBERED = Statement(NOTED.where(IN_STUDY, one_of(trials.c.number, "numbers")).order_by(trials.c.number))
_NUMBERS_RUNNING = sa.select(trials.c.number).where(IN_STUDY, unfinished, trials.c.state != TrialState.REQUESTED.value)
_RUNNING = Statement(
    NOTED.where(IN_STUDY, in_selected(trials.c.number, _NUMBERS_RUNNING)).order_by(trials.c.number + 0).limit(_LIMIT)
)
_LATEST_INFEASIBLE = (
    sa.select(trials.c.number).where(IN_STUDY, infeasible).order_by(trials.c.number.desc()).limit(_LIMIT)
)
_FAILURES = Statement(
    sa.select(trials.c.number, trials.c.infeasible_reason)
    .where(IN_STUDY, in_selected(trials.c.number, _LATEST_INFEASIBLE))
    .order_by(trials.c.number.desc())
)


def page(transaction: Transaction, study: Study, listing: Listing, limit: int) -> Page[Trial]:
    """Return a page of up to `limit` trials."""
    parameters: dict[str, Any] = {"of_study": study.key, "limit": limit + 1}
    if listing.order.is_ranking:
        goal, stopped = kind_of(transaction, study)
        goal = goal if listing.order is Order.BEST else _OPPOSITE[goal]
        statement = (_RANKED if listing.after is None else _RANKED_AFTER)[Kind(goal, stopped)]
        if listing.after is not None:
            parameters |= {"best": listing.after.objective, "after": listing.after.number}
    else:
        newest = listing.order is Order.NEWEST
        first = listing.first if listing.first is not None else LAST if newest else 0
        statement = _BY_NUMBER[listing.among, newest]
        parameters["first"] = first
    rows = statement.rows(transaction, parameters)
    return Page([read_trial(row) for row in rows[:limit]], len(rows) > limit)


def numbered(transaction: Transaction, study: Study, numbers: list[int]) -> list[Trial]:
    """Return the trials of those numbers that exist, in order."""
    rows = _NUMBERED.rows(transaction, {"of_study": study.key, "numbers": codec.dump_numbers(numbers)})
    return [read_trial(row) for row in rows]


def running(transaction: Transaction, study: Study, limit: int) -> list[Trial]:
    """Return up to `limit` trials that run, in order."""
    rows = _RUNNING.rows(transaction, {"of_study": study.key, "limit": limit})
    return [read_trial(row) for row in rows]


def failures(transaction: Transaction, study: Study, limit: int) -> list[tuple[int, str]]:
    """Return number and reason of the latest `limit` infeasible trials, the latest first."""
    rows = _FAILURES.rows(transaction, {"of_study": study.key, "limit": limit})
    return [(row["number"], row["infeasible_reason"]) for row in rows]
