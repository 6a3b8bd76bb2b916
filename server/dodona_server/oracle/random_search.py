"""Random search: independent draws, each parameter by its scale (Bergstra and Bengio, 2012)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

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
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial
from dodona_server.oracle.algorithm import Problem, Suggestions
from dodona_server.oracle.options import no_options
from dodona_server.oracle.scaling import spread
from dodona_server.oracle.small import without_repeats


class RandomSearch:
    """Draws every active parameter independently; a conditional one only under the parent's drawn value.

    The algorithm is given no history, so a draw may repeat an earlier one; but a small space without conditions is gone
    through in random order, each point once before any comes again.
    """

    inline = True

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        no_options(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],  # noqa: ARG002 - the contract's; random search learns nothing
        pending: Sequence[Trial],  # noqa: ARG002
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """The next `count` points; see `Algorithm.suggest`."""
        small = without_repeats(problem.spec.space, problem.seed, problem.position, count)
        if small is not None:
            return Suggestions(small)
        return Suggestions([sample(problem.spec.space, rng) for _ in range(count)])


def sample(space: SearchSpace, rng: random.Random) -> dict[str, Value]:
    """One random point of `space`: a value for each active parameter."""
    values: dict[str, Value] = {}
    pending: list[Parameter] = list(reversed(space.parameters))
    while pending:
        parameter = pending.pop()
        value = values[parameter.id] = _draw(parameter, rng)
        if parameter.branches:
            pending.extend(reversed(list(parameter.active_branches(value))))
    return values


def _draw(parameter: Parameter, rng: random.Random) -> Value:
    kind = parameter.kind
    match kind:
        case Double():
            return spread(rng.random(), kind.min_value, kind.max_value, kind.scale)
        case Integer(scale=Scale.LINEAR):
            return rng.randint(kind.min_value, kind.max_value)
        case Integer():
            # Each integer n stands for [n, n + 1), so that the last one is drawn like the others.
            drawn = spread(rng.random(), kind.min_value, kind.max_value + 1, kind.scale)
            return min(max(math.floor(drawn), kind.min_value), kind.max_value)
        case Categorical() | Discrete():
            return rng.choice(kind.values)
