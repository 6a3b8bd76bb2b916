"""Random points: uniform on each parameter's scale, or near the values that people believe to be good.

Source: Mallik et al., PriorBand: Practical Hyperparameter Optimization in the Age of Deep Learning (2023), for mixing
draws from a prior with uniform ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from dodona_server.algorithms.space.unit_interval import Axis, spread
from dodona_server.domain.space import (
    Categorical,
    Discrete,
    Double,
    Integer,
    Parameter,
    Scale,
    SearchSpace,
    Value,
)
from dodona_server.domain.studies.hint import Hint, Sure
from dodona_server.domain.studies.study import StudySpec

# The standard deviation around a hinted value, as a part of the axis, and the uniform part of the density.
WIDTH = {Sure.VAGUELY: 0.25, Sure.FAIRLY: 0.12, Sure.VERY: 0.06}
UNIFORM = {Sure.VAGUELY: 0.5, Sure.FAIRLY: 0.25, Sure.VERY: 0.1}


def sample(space: SearchSpace, rng: random.Random) -> dict[str, Value]:
    """Return a random point of `space`: a value for each active parameter."""
    return _point(space, lambda parameter: _draw(parameter, rng))


def half_hinted(spec: StudySpec, rng: random.Random) -> dict[str, Value]:
    """Return a random point of the study's space; if there are hints, in half of the cases one near them."""
    if not spec.hints or rng.random() < 0.5:
        return sample(spec.space, rng)
    return hinted(spec.space, spec.hints, rng)


def hinted(space: SearchSpace, hints: Mapping[str, Hint], rng: random.Random) -> dict[str, Value]:
    """Return a random point near the hints; parameters without one are drawn uniformly."""

    def value(parameter: Parameter) -> Value:
        near = _near(parameter, hints[parameter.id], rng) if parameter.id in hints else None
        return _draw(parameter, rng) if near is None else near

    return _point(space, value)


def _point(space: SearchSpace, draw: Callable[[Parameter], Value]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    pending: list[Parameter] = list(reversed(space.parameters))
    while pending:
        parameter = pending.pop()
        value = values[parameter.id] = draw(parameter)
        if parameter.branches:
            pending.extend(reversed(list(parameter.active_branches(value))))
    return values


def _near(parameter: Parameter, hint: Hint, rng: random.Random) -> Value | None:
    """Return a value near the hint's; None in the uniform part of the cases."""
    axis = Axis(parameter.kind)
    # In the part of the space that a context allows, there may be none.
    places = [place for value in hint.values if (place := axis.place(value)) is not None]
    if not places or rng.random() < UNIFORM[hint.sure]:
        return None
    place = rng.choice(places)
    if isinstance(parameter.kind, Categorical):
        return axis.value(place)
    while not 0.0 <= (moved := rng.gauss(place, WIDTH[hint.sure])) <= 1.0:
        pass
    return axis.value(moved)


def _draw(parameter: Parameter, rng: random.Random) -> Value:
    kind = parameter.kind
    match kind:
        case Double():
            return spread(rng.random(), kind.min_value, kind.max_value, kind.scale)
        case Integer(scale=Scale.LINEAR):
            return rng.randint(kind.min_value, kind.max_value)
        case Integer():
            # Each integer n covers [n, n + 1), so that the last one is as likely as the others.
            drawn = spread(rng.random(), kind.min_value, kind.max_value + 1, kind.scale)
            return min(max(math.floor(drawn), kind.min_value), kind.max_value)
        case Categorical() | Discrete():
            return rng.choice(kind.values)
