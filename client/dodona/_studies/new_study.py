"""Spec of a new study, from what people say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodona._codec import specs_of
from dodona._space import Space
from dodona._studies.budget import changed
from dodona._studies.study import Goal
from dodona._text import checked
from dodona._values import MAX_INT64, whole
from dodona_schemas import vertex
from dodona_schemas.vertex import GoalType, parse_algorithm

_GOALS: dict[str, GoalType] = {"minimize": GoalType.MINIMIZE, "maximize": GoalType.MAXIMIZE}


def goals_of(goal: Goal | None, metric: str, metrics: Mapping[str, Goal] | None) -> Mapping[str, Goal]:
    """Return the goals of a new study by its metrics.

    Raises:
        ValueError: both or neither of `goal` and `metrics` are given, or one is wrong.
    """
    if (goal is None) == (metrics is None):
        raise ValueError("name the goal: goal='minimize' or goal='maximize', or metrics={name: goal, ...}")
    goals = {metric: goal} if goal is not None else metrics or {}
    for name, wanted in goals.items():
        checked(name, "a metric's name")
        if wanted not in _GOALS:
            raise ValueError(f"the goal of {name!r} is {wanted!r}; it must be 'minimize' or 'maximize'")
    return goals


def new_spec(
    space: Space | None, goals: Mapping[str, Goal], limits: Mapping[str, Any], algorithm: str | None, seed: int | None
) -> vertex.StudySpec:
    """Return the spec of a new study.

    Args:
        space: its search space; None for none.
        goals: of its metrics.
        limits: of its budget, by the names of `Client.create_study`; None for no such limit.
        algorithm: by its name; None for the default.
        seed: of its suggestions; None to let the server draw one.

    Raises:
        ValueError: a value is not of its kind.
    """
    spec = vertex.StudySpec(
        metrics=[vertex.MetricSpec(metric_id=name, goal=_GOALS[goal]) for name, goal in goals.items()],
        parameters=specs_of(space or {}),
        seed=None if seed is None else whole(seed, "seed", -MAX_INT64, MAX_INT64),
    )
    if any(limit is not None for limit in limits.values()):
        spec.study_stopping_config = changed(None, limits)
    if algorithm is not None:
        spec.algorithm = parse_algorithm(checked(algorithm, "algorithm").upper())
    return spec
