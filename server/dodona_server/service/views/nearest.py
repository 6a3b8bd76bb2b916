"""Trials that are most similar to a given one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dodona_server.domain.space import Categorical, Discrete, Parameter, Scale, SearchSpace, Value
from dodona_server.domain.trials.trial import Trial


def distance(space: SearchSpace, one: Mapping[str, Value], other: Mapping[str, Value]) -> float:
    """Return how different two trials are: 0 for equal values, 1 if all are at opposite ends of their ranges.

    It is the root of the mean square of the differences in the unit cube. Values of a categorical parameter differ by
    1, and so do a value and none.

    Args:
        space: of both.
        one: the values of a trial.
        other: the values of another one.
    """
    parameters = {parameter.id: parameter for _, parameter in space.walk()}
    active = [name for name in parameters if name in one or name in other]
    squares = [
        _difference(parameters[name], one[name], other[name]) ** 2 if name in one and name in other else 1.0
        for name in active
    ]
    return math.sqrt(sum(squares) / len(squares)) if squares else 0.0


def nearest(space: SearchSpace, trial: Trial, others: Iterable[Trial], count: int) -> list[tuple[Trial, float]]:
    """Return up to `count` of the other trials with their distance, the nearest first."""
    known = [(one, distance(space, trial.parameters, one.parameters)) for one in others if one.number != trial.number]
    return sorted(known, key=lambda pair: (pair[1], pair[0].number))[:count]


def _difference(parameter: Parameter, one: Value, other: Value) -> float:
    if isinstance(parameter.kind, Categorical) or isinstance(one, str) or isinstance(other, str):
        return float(one != other)
    return min(1.0, abs(_place(parameter, float(one)) - _place(parameter, float(other))))


def _place(parameter: Parameter, value: float) -> float:
    kind = parameter.kind
    if isinstance(kind, Categorical):
        return 0.0
    if isinstance(kind, Discrete):
        low, high = float(min(kind.values)), float(max(kind.values))
    else:
        low, high = float(kind.min_value), float(kind.max_value)
    if low == high:
        return 0.0
    value = min(max(value, low), high)
    if kind.scale is Scale.LOG and low > 0:
        return math.log(value / low) / math.log(high / low)
    if kind.scale is Scale.REVERSE_LOG and low > 0:
        return 1 - math.log((high + low - value) / low) / math.log(high / low)
    return (value / 2 - low / 2) / (high / 2 - low / 2)
