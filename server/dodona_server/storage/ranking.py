"""The ranking of trials and their counts, answered from indexes however many trials there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.page import Page
from dodona_server.domain.study import Goal, Study
from dodona_server.domain.trial import Measurement, RankingPosition, Trial, TrialState
from dodona_server.storage import codec
from dodona_server.storage.paging import page_of, sizes
from dodona_server.storage.statement import Statement
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import ranked, trials, unfinished
from dodona_server.storage.trial_rows import ALL_TEXTS, BRIEF, IN_STUDY, TRIALS, read_trial

_PAGE = 500
_COUNT_UNFINISHED = Statement(
    sa.select(trials.c.state, sa.func.count().label("count")).where(IN_STUDY, unfinished).group_by(trials.c.state)
)
_COUNT_SUCCEEDED = Statement(sa.select(sa.func.count()).where(IN_STUDY, ranked))
_HISTORY = Statement(
    sa.select(trials.c.number, trials.c.objective)
    .where(IN_STUDY, ranked, trials.c.number % bindparam("every") == 0)
    .order_by(trials.c.number + 0)  # not the primary key's order: the index contains all needed columns
)
_SAMPLE = Statement(
    sa.select(trials.c.number, trials.c.final_measurement)
    .where(IN_STUDY, ranked, trials.c.number % bindparam("every") == 0)
    .order_by(trials.c.number + 0)
)
# In the primary key's order, which is the cheapest page by page.
_SUCCEEDED = Statement(
    BRIEF.where(IN_STUDY, trials.c.end_time.is_not(None), ranked, trials.c.number > bindparam("after"))
    .order_by(trials.c.number)
    .limit(_PAGE)
)
_BEST_OBJECTIVE = {
    Goal.MAXIMIZE: Statement(sa.select(sa.func.max(trials.c.objective)).where(IN_STUDY, ranked)),
    Goal.MINIMIZE: Statement(sa.select(sa.func.min(trials.c.objective)).where(IN_STUDY, ranked)),
}
_NUMBERS_WITH_OBJECTIVE = sa.select(trials.c.number).where(IN_STUDY, ranked, trials.c.objective == bindparam("best"))
_WITH_OBJECTIVE = Statement(_NUMBERS_WITH_OBJECTIVE.order_by(trials.c.number))


def ranking_of(goal: Goal, columns: sa.Select[Any] = TRIALS, *, after: bool = False) -> sa.Select[Any]:
    """Return the query for succeeded trials, best first, equal values by number.

    Args:
        goal: which values are better.
        columns: the query's columns.
        after: whether it begins after the position of a trial with the objective `best` and the number `after`.
    """
    objective = trials.c.objective
    order = objective.desc() if goal is Goal.MAXIMIZE else objective
    query = columns.where(IN_STUDY, ranked).order_by(order, trials.c.number).limit(bindparam("limit"))
    if not after:
        return query
    best = bindparam("best", type_=sa.Double)
    worse = objective < best if goal is Goal.MAXIMIZE else objective > best
    # The first condition follows from the second, but can use the index.
    reached = objective <= best if goal is Goal.MAXIMIZE else objective >= best
    return query.where(reached, sa.or_(worse, trials.c.number > bindparam("after")))


_RANKING = {goal: Statement(ranking_of(goal)) for goal in Goal}
_RANKING_AFTER = {goal: Statement(ranking_of(goal, after=True)) for goal in Goal}
_SIZES = {goal: sizes(ranking_of(goal), *ALL_TEXTS) for goal in Goal}
_SIZES_AFTER = {goal: sizes(ranking_of(goal, after=True), *ALL_TEXTS) for goal in Goal}


def ranking(transaction: Transaction, study: Study, after: RankingPosition | None, limit: int) -> list[Trial]:
    """Return up to `limit` succeeded trials by the first metric, best first, equal values by number.

    Args:
        transaction: the transaction to read in.
        study: the study whose trials are ranked.
        after: the position after which to begin, whether or not a trial still has it; None for the best.
        limit: the largest number of trials.
    """
    goal = study.spec.objective.goal
    statement = (_RANKING if after is None else _RANKING_AFTER)[goal]
    return [read_trial(row) for row in statement.rows(transaction, _parameters_after(study, after, limit))]


def listed(transaction: Transaction, study: Study, after: RankingPosition | None, limit: int) -> Page[Trial]:
    """Return a page of that ranking."""
    goal = study.spec.objective.goal
    rows, of_rows = (_RANKING, _SIZES) if after is None else (_RANKING_AFTER, _SIZES_AFTER)
    return page_of(transaction, rows[goal], of_rows[goal], _parameters_after(study, after, limit), read_trial)


def _parameters_after(study: Study, after: RankingPosition | None, limit: int) -> dict[str, Any]:
    """Return the parameters of the ranking after a position."""
    position = {} if after is None else {"best": after.objective, "after": after.number}
    return {"of_study": study.key, "limit": limit, **position}


def counts(transaction: Transaction, study: Study) -> dict[TrialState, int]:
    """Return how many trials are in each state; this reads no rows of finished trials, only index entries."""
    key = {"of_study": study.key}
    counted = dict.fromkeys(TrialState, 0)
    for row in _COUNT_UNFINISHED.rows(transaction, key):
        counted[TrialState(row["state"])] = row["count"]
    counted[TrialState.SUCCEEDED] = _COUNT_SUCCEEDED.value(transaction, key)
    counted[TrialState.INFEASIBLE] = study.trial_count - sum(counted.values())
    return counted


def history(transaction: Transaction, study: Study, every: int) -> list[tuple[int, float]]:
    """Return number and objective of every `every`-th succeeded trial, in order."""
    rows = _HISTORY.rows(transaction, {"of_study": study.key, "every": every})
    return [(row["number"], row["objective"]) for row in rows]


def sample(transaction: Transaction, study: Study, every: int) -> dict[int, Measurement]:
    """Return the results of every `every`-th succeeded trial by number, in order."""
    rows = _SAMPLE.rows(transaction, {"of_study": study.key, "every": every})
    finals = {row["number"]: codec.load_final(row["final_measurement"]) for row in rows}
    return {number: final for number, final in finals.items() if final is not None}


def best(transaction: Transaction, study: Study) -> list[int]:
    """Return the numbers of the succeeded trials with the best value of the first metric, in order."""
    key = {"of_study": study.key}
    value = _BEST_OBJECTIVE[study.spec.objective.goal].value(transaction, key)
    if value is None:
        return []
    return [row["number"] for row in _WITH_OBJECTIVE.rows(transaction, {**key, "best": value})]


def succeeded(transaction: Transaction, study: Study) -> Iterator[Trial]:
    """Yield all succeeded trials in order, without measurements and metadata; one page is in memory at a time."""
    after = 0
    while rows := _SUCCEEDED.rows(transaction, {"of_study": study.key, "after": after}):
        yield from map(read_trial, rows)
        after = rows[-1]["number"]


def objective(study: Study, trial: Trial) -> float | None:
    """Return the value by which the trial is ranked; None if it did not succeed."""
    if trial.state is not TrialState.SUCCEEDED or trial.final_measurement is None:
        return None
    return trial.final_measurement.metrics[study.spec.objective.id]
