"""Curves in the database, for stopping rules; the cost of each query is independent of the number of trials."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.trials.curve import CurvePoint
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage.engine.statement import Row, Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import curves, is_first, trials
from dodona_server.storage.trials.rows import trial_key

# The number of no trial: all trials are others than this one.
_NO_TRIAL = 0
# Rules compare a trial with the latest trials that have a curve.
COMPARED = 256

_IN_STUDY = curves.c.study_key == bindparam("of_study")
_OF_TRIAL = (_IN_STUDY, curves.c.number == bindparam("trial_number"))
_LAST = Statement(sa.select(curves).where(*_OF_TRIAL).order_by(curves.c.position.desc()).limit(1))
_BEST_AT = Statement(
    sa.select(curves.c.best)
    .where(*_OF_TRIAL, curves.c.position <= bindparam("at"))
    .order_by(curves.c.position.desc())
    .limit(1)
)
_INSERT = Statement(curves.insert())
_FOLD = Statement(
    curves.update()
    .where(*_OF_TRIAL, curves.c.position == bindparam("at"))
    .values(best=bindparam("new_best"), mean=bindparam("new_mean"), count=bindparam("new_count"))
)
# In order: for any row of many, PostgreSQL would scan the table.
_BEST = Statement(sa.select(curves.c.best).where(_IN_STUDY).order_by(curves.c.best.desc()).limit(1))
_DELETE = Statement(curves.delete().where(*_OF_TRIAL))
_OTHERS = (
    sa.select(curves.c.number)
    .where(_IN_STUDY, is_first, curves.c.number != bindparam("trial_number"))
    .order_by(curves.c.number.desc())
    .limit(COMPARED)
    .subquery("others")
)
_point = curves.alias("point")
_OF_OTHER = (_point.c.study_key == bindparam("of_study"), _point.c.number == _OTHERS.c.number)
_AT_LEAST = (
    sa.select(_point.c.best)
    .where(*_OF_OTHER, _point.c.position >= bindparam("at"))
    .order_by(_point.c.position)
    .limit(1)
    .correlate(_OTHERS)
)
_AT_MOST = (
    sa.select(_point.c.mean)
    .where(*_OF_OTHER, _point.c.position <= bindparam("at"))
    .order_by(_point.c.position.desc())
    .limit(1)
    .correlate(_OTHERS)
)
# A value, which is looked up by the index. EXISTS is a join, which takes seconds in a database without statistics.
_state = (
    sa.select(trials.c.state)
    .where(trials.c.study_key == bindparam("of_study"), trials.c.number == _OTHERS.c.number)
    .correlate(_OTHERS)
    .scalar_subquery()
)


def _end_of_other(order: sa.ColumnElement[float]) -> sa.ScalarSelect[float]:
    """Return a position of the curve of another trial: the first one in this order."""
    ordered = sa.select(_point.c.position).where(*_OF_OTHER).order_by(order).limit(1)
    return ordered.correlate(_OTHERS).scalar_subquery()


_SPANS = Statement(
    sa.select(
        _OTHERS.c.number,
        _end_of_other(_point.c.position).label("first"),
        _end_of_other(_point.c.position.desc()).label("last"),
        trials.c.state,
        trials.c.objective.is_not(None).label("has_result"),
    )
    .select_from(_OTHERS.join(trials, trials.c.number == _OTHERS.c.number))
    .where(trials.c.study_key == bindparam("of_study"))
    .order_by(_OTHERS.c.number)
)
_FOLLOWING = Statement(
    sa.select(curves.c.position)
    .where(*_OF_TRIAL, curves.c.position >= bindparam("at"))
    .order_by(curves.c.position)
    .limit(1)
)
_BESTS_UNTIL = Statement(
    sa.select(_OTHERS.c.number, _AT_MOST.with_only_columns(_point.c.best).scalar_subquery().label("value")).select_from(
        _OTHERS
    )
)
_BESTS_AT = Statement(sa.select(_AT_LEAST.scalar_subquery().label("value")).select_from(_OTHERS))
_MEANS_AT = Statement(
    sa.select(_AT_MOST.scalar_subquery().label("value"))
    .select_from(_OTHERS)
    .where(_AT_LEAST.scalar_subquery().is_not(None), _state == TrialState.SUCCEEDED.value)
)


@dataclass(frozen=True, slots=True)
class Span:
    """Range of a trial's curve.

    Args:
        number: the trial's.
        first: the first position.
        last: the last position.
        state: the trial's.
        has_result: whether it has succeeded without an early stop.
    """

    number: int
    first: float
    last: float
    state: TrialState
    has_result: bool


def last(transaction: Transaction, study_key: int, number: int) -> CurvePoint | None:
    """Return the trial's curve up to its last position; None if it has none."""
    row = _LAST.row(transaction, trial_key(study_key, number))
    return None if row is None else CurvePoint(row["position"], row["best"], row["mean"], row["count"])


def put(transaction: Transaction, study_key: int, number: int, before: CurvePoint | None, point: CurvePoint) -> None:
    """Store a trial's curve that follows on `before`, which is stored: as a new row if its position is a new one."""
    if before is not None and before.position == point.position:
        new = {"at": point.position, "new_best": point.best, "new_mean": point.mean, "new_count": point.count}
        _FOLD.run(transaction, {**trial_key(study_key, number), **new})
        return
    row = {
        "study_key": study_key,
        "number": number,
        "position": point.position,
        "best": point.best,
        "mean": point.mean,
        "count": point.count,
        "is_first": before is None,
    }
    _INSERT.run(transaction, row)


def best_at(transaction: Transaction, study_key: int, number: int, position: float) -> float | None:
    """Return the trial's best value up to that position; None if its curve begins later."""
    value: float | None = _BEST_AT.value(transaction, {**trial_key(study_key, number), "at": position})
    return value


def any_better(transaction: Transaction, study_key: int, best: float) -> bool:
    """Return whether a curve of the study has a better value."""
    known: float | None = _BEST.value(transaction, {"of_study": study_key})
    return known is not None and known > best


def means_at(transaction: Transaction, study_key: int, number: int, position: float) -> list[float]:
    """Return the means up to that position of other trials that reached it and SUCCEEDED, of the latest `COMPARED`."""
    return _values(_MEANS_AT.rows(transaction, {**trial_key(study_key, number), "at": position}))


def bests_at(transaction: Transaction, study_key: int, number: int, position: float) -> list[float]:
    """Return the best values of other trials when they reached that position, of the latest `COMPARED`."""
    return _values(_BESTS_AT.rows(transaction, {**trial_key(study_key, number), "at": position}))


def spans(transaction: Transaction, study_key: int) -> list[Span]:
    """Return where the curves of the latest `COMPARED` trials begin and end, in the order of the trials."""
    rows = _SPANS.rows(transaction, trial_key(study_key, _NO_TRIAL))
    return [
        Span(row["number"], row["first"], row["last"], TrialState(row["state"]), bool(row["has_result"]))
        for row in rows
    ]


def following(transaction: Transaction, study_key: int, number: int, position: float) -> float | None:
    """Return the first position of the trial's curve from that one on; None if there is none."""
    value: float | None = _FOLLOWING.value(transaction, {**trial_key(study_key, number), "at": position})
    return value


def bests_until(transaction: Transaction, study_key: int, position: float) -> list[tuple[int, float]]:
    """Return the numbers of the latest `COMPARED` trials with the best value of each up to that position.

    Trials whose curve begins later are left out; those whose curve ends before are not.
    """
    rows = _BESTS_UNTIL.rows(transaction, {**trial_key(study_key, _NO_TRIAL), "at": position})
    return [(row["number"], row["value"]) for row in rows if row["value"] is not None]


def delete(transaction: Transaction, study_key: int, number: int) -> None:
    """Delete the trial's curve."""
    _DELETE.run(transaction, trial_key(study_key, number))


def _values(rows: list[Row]) -> list[float]:
    return [row["value"] for row in rows if row["value"] is not None]
