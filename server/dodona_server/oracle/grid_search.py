"""Grid search: every point of a grid once, then the end."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial
from dodona_server.oracle.algorithm import Problem, Suggestions
from dodona_server.oracle.grid import Grid
from dodona_server.oracle.options import integer, only
from dodona_server.oracle.permutation import Permutation

# KerasTuner's number for a Float without a step.
DEFAULT_POINTS = 10
MAX_POINTS = 1_000_000


class GridSearch:
    """Goes through a grid by `problem.position`; which values are on it says `grid.grid_values`.

    Args:
        shuffled: in random order rather than with the last parameter changing fastest.
    """

    inline = True

    def __init__(self, *, shuffled: bool) -> None:
        self._shuffled = shuffled

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        only(spec, ("points",))
        _points(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],  # noqa: ARG002 - the contract's; a grid learns nothing
        pending: Sequence[Trial],  # noqa: ARG002
        count: int,
        rng: random.Random,  # noqa: ARG002 - it differs from call to call, the order must not
    ) -> Suggestions:
        """The next `count` points, fewer at the end of the grid; see `Algorithm.suggest`."""
        grid = Grid(problem.spec.space, _points(problem.spec))
        numbers = range(problem.position, min(problem.position + count, grid.size))
        if not self._shuffled:
            return Suggestions([grid[number] for number in numbers])
        order = Permutation(grid.size, str(problem.seed))
        return Suggestions([grid[order[number]] for number in numbers])


def _points(spec: StudySpec) -> int:
    return integer(spec, "points", DEFAULT_POINTS, 1, MAX_POINTS)
