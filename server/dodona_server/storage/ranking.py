"""The ranking of trials and their counts, answered from indexes however many trials there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.page import Page
from dodona_server.domain.study import Goal, Study
from dodona_server.domain.trial import RankingPosition, Trial, TrialState
from dodona_server.storage import codec
from dodona_server.storage.paging import page_of, sizes
from dodona_server.storage.statement import Statement, one_of
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import ranked, trials, unfinished
from dodona_server.storage.trial_rows import ALL_TEXTS, BRIEF, IN_STUDY, TRIALS, read_trial

_PAGE = 500
_COUNT_UNFINISHED = Statement(
    sa.select(trials.c.state, sa.func.count().label("count")).where(IN_STUDY, unfinished).group_by(trials.c.state)
)
_COUNT_UNFINISHED_OF = Statement(
    sa.select(trials.c.study_key, sa.func.count().label("count"))
    .where(one_of(trials.c.study_key, "studies"), unfinished)
    .group_by(trials.c.study_key)
)
_COUNT_SUCCEEDED = Statement(sa.select(sa.func.count()).where(IN_STUDY, ranked))
_HISTORY = Statement(
    sa.select(trials.c.number, trials.c.objective)
    .where(IN_STUDY, ranked, trials.c.number % bindparam("every") == 0)
    .order_by(trials.c.number + 0)  # not the primary key's order: the index contains all needed columns
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


def _ranking(goal: Goal, columns: sa.Select[Any] = TRIALS) -> sa.Select[Any]:
    """Return the query for succeeded trials, best first, equal values by number."""
    objective = trials.c.objective
    order = objective.desc() if goal is Goal.MAXIMIZE else objective
    return columns.where(IN_STUDY, ranked).order_by(order, trials.c.number).limit(bindparam("limit"))


def _ranking_after(goal: Goal) -> sa.Select[Any]:
    """Return the same query after the position of a trial with the objective `best` and the number `after`."""
    objective = trials.c.objective
    best = bindparam("best", type_=sa.Double)
    worse = objective < best if goal is Goal.MAXIMIZE else objective > best
    # The first condition follows from the second, but can use the index.
    reached = objective <= best if goal is Goal.MAXIMIZE else objective >= best
    return _ranking(goal).where(reached, sa.or_(worse, trials.c.number > bindparam("after")))


_RANKING = {goal: Statement(_ranking(goal)) for goal in Goal}
_RANKING_AFTER = {goal: Statement(_ranking_after(goal)) for goal in Goal}
_SIZES = {goal: sizes(_ranking(goal), *ALL_TEXTS) for goal in Goal}
_SIZES_AFTER = {goal: sizes(_ranking_after(goal), *ALL_TEXTS) for goal in Goal}
_BRIEF_RANKING = {goal: Statement(_ranking(goal, BRIEF)) for goal in Goal}


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


def first_ranks(transaction: Transaction, study: Study, limit: int) -> list[Trial]:
    """Return the `limit` best trials of that ranking, without measurements and metadata."""
    parameters = _parameters_after(study, None, limit)
    return [read_trial(row) for row in _BRIEF_RANKING[study.spec.objective.goal].rows(transaction, parameters)]


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


def finished(transaction: Transaction, studies: Sequence[Study]) -> list[int]:
    """Return how many trials of each study have ended, computed from the unfinished ones, which are few."""
    keys = codec.dump_numbers([study.key for study in studies])
    left = {row["study_key"]: row["count"] for row in _COUNT_UNFINISHED_OF.rows(transaction, {"studies": keys})}
    return [study.trial_count - left.get(study.key, 0) for study in studies]


def history(transaction: Transaction, study: Study, every: int) -> list[tuple[int, float]]:
    """Return number and objective of every `every`-th succeeded trial, in order."""
    rows = _HISTORY.rows(transaction, {"of_study": study.key, "every": every})
    return [(row["number"], row["objective"]) for row in rows]


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
