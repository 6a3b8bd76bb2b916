"""Quasi-random search: a scrambled Sobol sequence, which covers the space more evenly than independent draws."""

from __future__ import annotations

from collections.abc import Mapping

from dodona_server.algorithms.contract.algorithm import Algorithm, Problem, Request, Suggestions, Traits
from dodona_server.algorithms.simple.sobol import Sobol
from dodona_server.algorithms.space.finite import without_repeats
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value


class QuasiRandomSearch(Algorithm):
    """Points of a scrambled Sobol sequence, numbered by `problem.position` and scrambled by `problem.seed`.

    Every parameter has a coordinate, active or not, the roots first. So a conditional parameter's values are spread
    over the points that activate it. A small space without conditions is visited in random order instead.
    """

    traits = Traits(inline=True)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        # The scrambling must not depend on `request.rng`, which differs in each call.
        points = quasi_random(request.problem, request.problem.position, request.count)
        return Suggestions.of(points, "the next point of the quasi-random sequence")


def quasi_random(problem: Problem, position: int, count: int) -> list[Mapping[str, Value]]:
    """Return points `position` to `position + count - 1` of the study's sequence."""
    small = without_repeats(problem.spec.space, problem.seed, position, count)
    if small is not None:
        return small
    tree, sobol = Tree(problem.spec.space), Sobol(str(problem.seed))
    return [
        tree.point(lambda dimension, index=index: dimension.axis.value(sobol.coordinate(index, dimension.index)))  # type: ignore[misc]
        for index in range(position, position + count)
    ]
