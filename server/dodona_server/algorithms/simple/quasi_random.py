"""Quasi-random search: a scrambled Sobol sequence, which covers the space more evenly than independent draws."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import no_options
from dodona_server.algorithms.simple.sobol import Sobol
from dodona_server.algorithms.space.finite import without_repeats
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial


class QuasiRandomSearch:
    """Points of a scrambled Sobol sequence, numbered by `problem.position` and scrambled by `problem.seed`.

    Every parameter has a coordinate, active or not, the roots first. So a conditional parameter's values are spread
    over the points that activate it. A small space without conditions is visited in random order instead.
    """

    inline = True
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        no_options(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],  # noqa: ARG002 - part of the contract; the sequence does not learn
        pending: Sequence[Trial],  # noqa: ARG002
        count: int,
        rng: random.Random,  # noqa: ARG002 - it differs in each call, but the scrambling must not
    ) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        return Suggestions(quasi_random(problem, problem.position, count))


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
