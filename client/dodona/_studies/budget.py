"""Budgets of studies: limits as people name them, in the protocol's form, and what is left of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dodona._values import MAX_INT32, measured, whole
from dodona_schemas import vertex


class Keep(enum.Enum):
    """Stands for a limit that stays as it is."""

    KEEP = "as it is"


KEEP = Keep.KEEP
_COUNTS = {
    "max_trials": "max_num_trials",
    "max_failed_trials": "max_failed_trials",
    "max_trials_no_progress": "max_num_trials_no_progress",
}
_AMOUNTS = {
    "max_seconds_no_progress": ("max_duration_no_progress", 1),
    "max_compute_hours": ("max_compute_duration", 3600),
    "max_cost": ("max_cost", 1),
    "price_per_hour": ("price_per_hour", 1),
    "improvement_unlikely": ("improvement_unlikely", 1),
}


def changed(before: vertex.StudyStoppingConfig | None, limits: Mapping[str, Any]) -> vertex.StudyStoppingConfig:
    """Return the budget with changed limits; None removes one, and those that are `KEEP` stay.

    Raises:
        ValueError: a limit is not a number, or both a time and a deadline are given.
    """
    config = (before or vertex.StudyStoppingConfig()).model_copy()
    given = {name: limit for name, limit in limits.items() if not isinstance(limit, Keep)}
    for name, field in _COUNTS.items():
        if name in given:
            count = given[name]
            setattr(config, field, None if count is None else whole(count, name, -MAX_INT32, MAX_INT32))
    for name, (field, unit) in _AMOUNTS.items():
        if name in given:
            amount = given[name]
            setattr(config, field, None if amount is None else measured(amount, name) * unit)
    if "max_seconds" in given or "deadline" in given:
        config.maximum_runtime_constraint = _end(given.get("max_seconds"), given.get("deadline"))
    return config


def _end(seconds: object, deadline: object) -> vertex.StudyTimeConstraint | None:
    if seconds is not None and deadline is not None:
        raise ValueError("max_seconds and deadline limit the same time; pass only one of them")
    if seconds is not None:
        return vertex.StudyTimeConstraint(max_duration=measured(seconds, "max_seconds"))
    if deadline is None:
        return None
    if not isinstance(deadline, datetime):
        raise ValueError(f"deadline={deadline!r} is not a datetime")
    return vertex.StudyTimeConstraint(end_time=deadline.astimezone())


@dataclass(frozen=True)
class Outlook:
    """Use of a study's budget, and the forecast for the rest. None stands for no such limit, or for unknown.

    `compute` is the time in which workers ran trials, times their GPUs; a worker without a GPU counts as one.
    `trials_left` is how many trials the budget allows at the present pace. `improvement_chance` is the chance that
    these, or the next 50 without a limit, bring a clear improvement: by a hundredth of the interquartile range of the
    results.
    """

    finished_trials: int
    compute: timedelta
    cost: float | None
    trials_left: int | None
    time_left: timedelta | None
    compute_left: timedelta | None
    cost_left: float | None
    improvement_chance: float | None


def outlook_of(wire: vertex.StudyOutlook) -> Outlook:
    """Return the outlook that the server sent."""
    return Outlook(
        finished_trials=wire.finished_trial_count,
        compute=timedelta(seconds=wire.compute_duration),
        cost=wire.cost,
        trials_left=wire.left_trial_count,
        time_left=_span(wire.left_duration),
        compute_left=_span(wire.left_compute_duration),
        cost_left=wire.left_cost,
        improvement_chance=wire.improvement_chance,
    )


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
