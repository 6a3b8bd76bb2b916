"""Curves of ended trials, for the convex rule; the cost of each query is independent of the number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Goal, Study
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import curves, trials
from dodona_server.storage.trials.ranking import KINDS, Kind, ranking_of

# The number of best completed trials that the rule looks at, and of best stopped ones whose prediction is renewed.
BEST_COMPLETED = 64
BEST_STOPPED = 128
_PLACES = ("first", "second", "third", "fourth")


@dataclass(frozen=True, slots=True)
class StoppedCurve:
    """Curve of a stopped trial: its last position, the best value there, and the best at half of that position."""

    number: int
    position: float
    best: float
    half: float | None


def _best_trials(kind: Kind) -> sa.Subquery:
    return ranking_of(
        kind, sa.select(trials.c.number, kind.objective.label("objective"), trials.c.parameters)
    ).subquery("best_trials")


def _last(number: sa.ColumnElement[int]) -> sa.ScalarSelect[float]:
    """Return the last position of a trial's curve."""
    of_trial = (curves.c.study_key == bindparam("of_study"), curves.c.number == number)
    return sa.select(sa.func.max(curves.c.position)).where(*of_trial).scalar_subquery()


def _best_at(number: sa.ColumnElement[int], position: Any) -> sa.ScalarSelect[float]:
    """Return the best value of a trial up to a position."""
    point = curves.alias()
    up_to = (point.c.study_key == bindparam("of_study"), point.c.number == number, point.c.position <= position)
    return sa.select(point.c.best).where(*up_to).order_by(point.c.position.desc()).limit(1).scalar_subquery()


def _longest(kind: Kind) -> Statement:
    best = _best_trials(kind)
    return Statement(sa.select(best.c.objective, _last(best.c.number).label("last")))


def _at(kind: Kind) -> Statement:
    best = _best_trials(kind)
    places = [_best_at(best.c.number, bindparam(name, type_=sa.Double)).label(name) for name in _PLACES]
    return Statement(sa.select(best.c.parameters, *places))


def _stopped(kind: Kind) -> Statement:
    best = _best_trials(kind)
    with_last = sa.select(best.c.number, _last(best.c.number).label("last")).subquery("with_last")
    number, last = with_last.c.number, with_last.c.last
    values = [_best_at(number, place).label(name) for name, place in (("best", last), ("half", last / 2))]
    return Statement(sa.select(number, last, *values).order_by(number))


_LONGEST = {kind.goal: _longest(kind) for kind in KINDS if not kind.stopped}
_AT = {kind.goal: _at(kind) for kind in KINDS if not kind.stopped}
_STOPPED = {kind.goal: _stopped(kind) for kind in KINDS if kind.stopped}


def completed(transaction: Transaction, study_key: int, goal: Goal, least: int) -> tuple[float, float] | None:
    """Return the best objective of the completed trials, oriented so that larger is better, and their last position.

    None if there are fewer than `least`, or if none of the best ones has a curve.
    """
    parameters = {"of_study": study_key, "limit": max(least, BEST_COMPLETED)}
    rows = _LONGEST[goal].rows(transaction, parameters)
    longest = max((row["last"] for row in rows if row["last"] is not None), default=None)
    if len(rows) < least or longest is None:
        return None
    return (rows[0]["objective"] if goal is Goal.MAXIMIZE else -rows[0]["objective"]), longest


def values_at(
    transaction: Transaction, study: Study, positions: Sequence[float]
) -> list[tuple[dict[str, Value], list[float | None]]]:
    """Return the parameters of the best completed trials, and their best values up to each of four positions."""
    goal = study.spec.objectives[0].goal
    places = dict(zip(_PLACES, positions, strict=True))
    rows = _AT[goal].rows(transaction, {"of_study": study.key, "limit": BEST_COMPLETED, **places})
    return [(codec.load_parameters(row["parameters"]), [row[name] for name in _PLACES]) for row in rows]


def stopped(transaction: Transaction, study: Study) -> list[StoppedCurve]:
    """Return the curves of the best trials that were stopped early, by number."""
    goal = study.spec.objectives[0].goal
    rows = _STOPPED[goal].rows(transaction, {"of_study": study.key, "limit": BEST_STOPPED})
    return [
        StoppedCurve(row["number"], row["last"], row["best"], row["half"]) for row in rows if row["last"] is not None
    ]
