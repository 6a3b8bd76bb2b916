"""KerasTuner's objective and the metrics of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from keras_tuner import Objective

from dodona.keras._compat import DefaultObjective, MultiObjective
from dodona_schemas.vertex import GoalType, MetricSpec

Directions: TypeAlias = Mapping[str, str]

_PARTS = "keras_tuner.objectives"


def metrics_of(objective: Objective) -> list[MetricSpec]:
    """Return the study's one metric; a list of objectives is KerasTuner's sum of them, "multi_objective"."""
    goal = GoalType.MAXIMIZE if objective.direction == "max" else GoalType.MINIMIZE
    return [MetricSpec(metric_id=objective.name, goal=goal)]


def parts_of(objective: Objective) -> dict[str, str]:
    """Return the metadata that records the objectives of a sum; nothing for a single objective."""
    if not isinstance(objective, MultiObjective):
        return {}
    return {_PARTS: json.dumps({part.name: part.direction for part in objective.objectives})}


def parts_in(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the direction of each objective in a study's sum, from the metadata of `parts_of`; empty without a sum."""
    parts: dict[str, str] = json.loads(metadata.get(_PARTS, "{}"))
    return parts


def objective_of(metrics: list[MetricSpec]) -> Objective:
    """Return the objective for a study's metrics: for several, KerasTuner's sum."""
    parts = [Objective(name, direction) for name, direction in directions(metrics).items()]
    if len(parts) > 1:
        return MultiObjective(parts)
    default = DefaultObjective()
    return default if parts[0] == default else parts[0]


def directions(metrics: list[MetricSpec]) -> dict[str, str]:
    """Return the direction of each metric, "min" or "max", in order."""
    return {metric.metric_id: "min" if metric.goal is GoalType.MINIMIZE else "max" for metric in metrics}


def score(objective: Objective, metrics: Mapping[str, float]) -> float | None:
    """Return the objective's value in a trial's final metrics; None if it is missing.

    Args:
        objective: the study's objective.
        metrics: values by name.
    """
    if objective.name in metrics:
        return metrics[objective.name]
    if isinstance(objective, MultiObjective) and objective.has_value(metrics):
        return float(objective.get_value(metrics))
    return None


def worded(metrics: list[MetricSpec]) -> str:
    """Return the metrics as text: "val_loss (min)"."""
    return worded_parts(directions(metrics))


def worded_parts(parts: Directions) -> str:
    """Return metrics by name as text."""
    return " and ".join(f"{name} ({direction})" for name, direction in parts.items())
