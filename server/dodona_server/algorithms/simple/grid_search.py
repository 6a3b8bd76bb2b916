"""Grid search: every point of a grid once; then the search ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.simple.covered import Covered
from dodona_server.algorithms.space.grid import Grid
from dodona_server.algorithms.space.permutation import Permutation
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import StudySpec

# KerasTuner's number for a Float without a step.
DEFAULT_POINTS = 10
MAX_POINTS = 1_000_000
NEXT = "the next point of the grid"


class GridSearch(Algorithm):
    """Suggests the points of a grid; see `grid.grid_values` for the values on it.

    The next point follows from `problem.position` until the space grows. From then on the search needs the study's
    trials and leaves out the points that they cover, so that it continues instead of restarting.

    Args:
        shuffled: whether the order is random; otherwise the last parameter changes fastest.
    """

    traits = Traits(inline=True, restarts_on_growth=True, ends_with_space=True)

    def __init__(self, *, shuffled: bool) -> None:
        self._shuffled = shuffled

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("points",))
        _points(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, fewer at the end of the grid; see `Algorithm.suggest`."""
        problem, count = request.problem, request.count
        grid = Grid(problem.spec.space, _points(problem.spec))
        # The order must not depend on `request.rng`, which differs in each call.
        order = Permutation(grid.size, str(problem.seed)) if self._shuffled else range(grid.size)
        if problem.has_grown:
            # The search ends even if workers change the values they use: no grid is suggested more than twice.
            left = min(count, max(0, 2 * grid.size - problem.position))
            return _left_over(grid, order, Covered([*request.completed, *request.stopped], request.pending), left)
        numbers = range(problem.position, min(problem.position + count, grid.size))
        return Suggestions.of((grid[order[number]] for number in numbers), NEXT)


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
    return Suggestions.of(found, NEXT, wait=wait and len(found) < count)


def _points(spec: StudySpec) -> int:
    return integer(spec, "points", DEFAULT_POINTS, 1, MAX_POINTS)
