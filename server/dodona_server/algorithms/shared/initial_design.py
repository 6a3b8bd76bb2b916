"""Initial design: the first points of algorithms that need results before they can learn."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from dodona_server.algorithms.contract.algorithm import Problem
from dodona_server.algorithms.simple.quasi_random import quasi_random
from dodona_server.domain.space import Value

INITIAL_DESIGN = "initial design"


class InitialDesign:
    """Quasi-random sequence of a study, from its present position.

    Args:
        problem: the study.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._positions = itertools.count(problem.position)

    def __call__(self) -> Mapping[str, Value]:
        """Return the next point."""
        (point,) = quasi_random(self._problem, next(self._positions), 1)
        return point
