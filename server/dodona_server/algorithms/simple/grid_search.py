"""Grid search: every point of a grid once; then the search ends."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.simple.covered import Covered
from dodona_server.algorithms.space.grid import Grid
from dodona_server.algorithms.space.permutation import Permutation
from dodona_server.domain.space import Value
from dodona_server.domain.study import Study, StudySpec
from dodona_server.domain.trial import Trial

# KerasTuner's number for a Float without a step.
DEFAULT_POINTS = 10
MAX_POINTS = 1_000_000


class GridSearch:
    """Suggests the points of a grid; see `grid.grid_values` for the values on it.

    The next point follows from `problem.position` until the space grows. From then on the search needs the study's
    trials and leaves out the points that they cover, so that it continues instead of restarting.

    Args:
        shuffled: whether the order is random; otherwise the last parameter changes fastest.
    """

    inline = True
    one_by_one = False

    def __init__(self, *, shuffled: bool) -> None:
        self._shuffled = shuffled

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("points",))
        _points(spec)

    def needs_history(self, study: Study) -> bool:
        """See `registry.needs_history`."""
        return study.has_grown

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,  # noqa: ARG002 - it differs in each call, but the order must not
    ) -> Suggestions:
        """Return the next `count` points, fewer at the end of the grid; see `Algorithm.suggest`."""
        grid = Grid(problem.spec.space, _points(problem.spec))
        order = Permutation(grid.size, str(problem.seed)) if self._shuffled else range(grid.size)
        if problem.has_grown:
            # The search ends even if workers change the values they use: no grid is suggested more than twice.
            left = min(count, max(0, 2 * grid.size - problem.position))
            return _left_over(grid, order, Covered(completed, pending), left)
        numbers = range(problem.position, min(problem.position + count, grid.size))
        return Suggestions([grid[order[number]] for number in numbers])


def _left_over(grid: Grid, order: Sequence[int] | Permutation, covered: Covered, count: int) -> Suggestions:
    """Return the first `count` points of a grid, in that order, that no trial covers."""
    found: list[Mapping[str, Value]] = []
    wait = False
    place = 0
    while place < grid.size and len(found) < count:
        point = grid[order[place]]
        names = covered.by(point)
        if names is None:
            found.append(point)
            covered.add(point)
            place += 1
            continue
        wait = wait or covered.may_be_left(point)
        place = grid.after(place, names) if isinstance(order, range) else place + 1
    return Suggestions(found, wait=wait and len(found) < count)


def _points(spec: StudySpec) -> int:
    return integer(spec, "points", DEFAULT_POINTS, 1, MAX_POINTS)
