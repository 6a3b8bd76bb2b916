"""Ranking of trials and their counts, answered from indexes however many trials there are.

The ranking has the succeeded trials without those that were stopped early; if there is no other, it has these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Goal, Study
from dodona_server.domain.trials.trial import Measurement, RankingPosition, Trial, TrialState
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.paging import page_of, sizes
from dodona_server.storage.engine.statement import Statement, one_of
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import ranked, ranked_partially, trials, unfinished
from dodona_server.storage.trials.rows import ALL_TEXTS, IN_STUDY, TRIALS, read_trial

_PAGE = 500
_COUNT_UNFINISHED = Statement(
    sa.select(trials.c.state, sa.func.count().label("count")).where(IN_STUDY, unfinished).group_by(trials.c.state)
)
_COUNT_RANKED = Statement(sa.select(sa.func.count()).where(IN_STUDY, ranked))
_COUNT_STOPPED = Statement(sa.select(sa.func.count()).where(IN_STUDY, ranked_partially))
# In order: for any row of many, PostgreSQL would scan the table.
_ANY_RANKED = Statement(sa.select(trials.c.objective).where(IN_STUDY, ranked).order_by(trials.c.objective).limit(1))
_LAST_OF = Statement(
    sa.select(trials.c.objective)
    .where(IN_STUDY, ranked)
    .order_by(trials.c.objective)
    .limit(1)
    .offset(bindparam("before"))
)
_HISTORY = Statement(
    sa.select(trials.c.number, trials.c.objective)
    .where(IN_STUDY, ranked, trials.c.number % bindparam("every") == 0)
    .order_by(trials.c.number + 0)  # not the primary key's order: the index contains all needed columns
)
_RESULTS = Statement(
    sa.select(trials.c.number, trials.c.final_measurement)
    .where(IN_STUDY, one_of(trials.c.number, "numbers"))
    .order_by(trials.c.number)
)


class Kind(NamedTuple):
    """A ranking: the goal, and whether it has the trials that were stopped early instead of the others."""

    goal: Goal
    stopped: bool

    @property
    def objective(self) -> sa.Column[float]:
        """Column of the values."""
        return trials.c.partial_objective if self.stopped else trials.c.objective


KINDS = [Kind(goal, stopped) for goal in Goal for stopped in (True, False)]


def ranking_of(kind: Kind, columns: sa.Select[Any] = TRIALS, *, after: bool = False) -> sa.Select[Any]:
    """Return the query for a ranking, best first, equal values by number.

    Args:
        kind: of the ranking.
        columns: the query's columns.
        after: whether it begins after the position of a trial with the objective `best` and the number `after`.
    """
    objective, goal = kind.objective, kind.goal
    order = objective.desc() if goal is Goal.MAXIMIZE else objective
    query = columns.where(IN_STUDY, objective.is_not(None)).order_by(order, trials.c.number).limit(bindparam("limit"))
    if not after:
        return query
    best = bindparam("best", type_=sa.Double)
    worse = objective < best if goal is Goal.MAXIMIZE else objective > best
    # The first condition follows from the second, but can use the index.
    reached = objective <= best if goal is Goal.MAXIMIZE else objective >= best
    return query.where(reached, sa.or_(worse, trials.c.number > bindparam("after")))


def _best_objective(kind: Kind) -> Statement:
    best = sa.func.max(kind.objective) if kind.goal is Goal.MAXIMIZE else sa.func.min(kind.objective)
    return Statement(sa.select(best).where(IN_STUDY, kind.objective.is_not(None)))


def _with_objective(kind: Kind) -> Statement:
    of_value = (IN_STUDY, kind.objective.is_not(None), kind.objective == bindparam("best"))
    return Statement(sa.select(trials.c.number).where(*of_value).order_by(trials.c.number))


def _succeeded(kind: Kind) -> Statement:
    # In the primary key's order, which is the cheapest page by page.
    ended = (trials.c.end_time.is_not(None), kind.objective.is_not(None))
    page = sa.select(trials.c.number, trials.c.final_measurement)
    page = page.where(IN_STUDY, *ended, trials.c.number > bindparam("after"))
    return Statement(page.order_by(trials.c.number).limit(_PAGE))


_BEST_OBJECTIVE = {kind: _best_objective(kind) for kind in KINDS}
_WITH_OBJECTIVE = {kind: _with_objective(kind) for kind in KINDS}
_SUCCEEDED = {kind: _succeeded(kind) for kind in KINDS}
_RANKING = {kind: Statement(ranking_of(kind)) for kind in KINDS}
_RANKING_AFTER = {kind: Statement(ranking_of(kind, after=True)) for kind in KINDS}
_SIZES = {kind: sizes(ranking_of(kind), *ALL_TEXTS) for kind in KINDS}
_SIZES_AFTER = {kind: sizes(ranking_of(kind, after=True), *ALL_TEXTS) for kind in KINDS}


def ranking(transaction: Transaction, study: Study, after: RankingPosition | None, limit: int) -> list[Trial]:
    """Return up to `limit` trials of the ranking by the first metric, best first, equal values by number.

    Args:
        transaction: the transaction to read in.
        study: the study whose trials are ranked.
        after: the position after which to begin, whether or not a trial still has it; None for the best.
        limit: the largest number of trials.
    """
    statement = (_RANKING if after is None else _RANKING_AFTER)[kind_of(transaction, study)]
    return [read_trial(row) for row in statement.rows(transaction, _parameters_after(study, after, limit))]


def listed(transaction: Transaction, study: Study, after: RankingPosition | None, limit: int) -> Page[Trial]:
    """Return a page of that ranking."""
    kind = kind_of(transaction, study)
    rows, of_rows = (_RANKING, _SIZES) if after is None else (_RANKING_AFTER, _SIZES_AFTER)
    return page_of(transaction, rows[kind], of_rows[kind], _parameters_after(study, after, limit), read_trial)


def kind_of(transaction: Transaction, study: Study) -> Kind:
    """Return the kind of the study's ranking: of the trials that were stopped early only if no other has succeeded."""
    return Kind(study.spec.objective.goal, _ANY_RANKED.row(transaction, {"of_study": study.key}) is None)


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
    counted[TrialState.SUCCEEDED] = _COUNT_RANKED.value(transaction, key) + _COUNT_STOPPED.value(transaction, key)
    counted[TrialState.INFEASIBLE] = study.trial_count - sum(counted.values())
    return counted


def has(transaction: Transaction, study: Study, least: int) -> bool:
    """Return whether at least that many trials succeeded and were not stopped early."""
    return _LAST_OF.row(transaction, {"of_study": study.key, "before": least - 1}) is not None


def count(transaction: Transaction, study: Study) -> int:
    """Return how many trials succeeded and were not stopped early."""
    counted: int = _COUNT_RANKED.value(transaction, {"of_study": study.key})
    return counted


def count_stopped(transaction: Transaction, study: Study) -> int:
    """Return how many succeeded trials were stopped early."""
    counted: int = _COUNT_STOPPED.value(transaction, {"of_study": study.key})
    return counted


def history(transaction: Transaction, study: Study, every: int) -> list[tuple[int, float]]:
    """Return number and objective of every `every`-th trial that succeeded and was not stopped early, in order."""
    rows = _HISTORY.rows(transaction, {"of_study": study.key, "every": every})
    return [(row["number"], row["objective"]) for row in rows]


def results(transaction: Transaction, study: Study, numbers: list[int]) -> dict[int, Measurement]:
    """Return the results of those trials by number, in order."""
    rows = _RESULTS.rows(transaction, {"of_study": study.key, "numbers": codec.dump_numbers(numbers)})
    finals = {row["number"]: codec.load_final(row["final_measurement"]) for row in rows}
    return {number: final for number, final in finals.items() if final is not None}


def best(transaction: Transaction, study: Study) -> list[int]:
    """Return the numbers of the ranking's trials with the best value of the first metric, in order."""
    key = {"of_study": study.key}
    kind = kind_of(transaction, study)
    value = _BEST_OBJECTIVE[kind].value(transaction, key)
    if value is None:
        return []
    return [row["number"] for row in _WITH_OBJECTIVE[kind].rows(transaction, {**key, "best": value})]


def succeeded(transaction: Transaction, study: Study) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Yield number and final metrics of the ranking's trials by number; one page is in memory at a time."""
    after, statement = 0, _SUCCEEDED[kind_of(transaction, study)]
    while rows := statement.rows(transaction, {"of_study": study.key, "after": after}):
        for row in rows:
            final = codec.load_final(row["final_measurement"])
            yield row["number"], final.metrics if final else {}
        after = rows[-1]["number"]


def objective(study: Study, trial: Trial) -> float | None:
    """Return the value by which the trial is ranked; None if it did not succeed."""
    if trial.state is not TrialState.SUCCEEDED or trial.final_measurement is None:
        return None
    return trial.final_measurement.metrics[study.spec.objective.id]
