"""Small finite spaces: every point once, in random order, before any comes again."""

from __future__ import annotations

from collections.abc import Mapping

from dodona_server.domain.space import SearchSpace, Value
from dodona_server.oracle.grid import Grid, count_points
from dodona_server.oracle.permutation import Permutation

# Independent draws would soon repeat themselves in a space this small; in a larger one repeats are rare at first.
MAX_SMALL = 1000


def small_grid(space: SearchSpace) -> Grid | None:
    """All points of a space that has no more than `MAX_SMALL`."""
    size = count_points(space)
    return Grid(space, 1) if size is not None and size <= MAX_SMALL else None


def in_random_order(grid: Grid, seed: int, position: int, count: int) -> list[Mapping[str, Value]]:
    """Points `position` and following of an endless walk over the grid: each round in an order of its own."""
    found: list[Mapping[str, Value]] = []
    for index in range(position, position + count):
        turn, place = divmod(index, grid.size)
        found.append(grid[Permutation(grid.size, f"{seed}/{turn}")[place]])
    return found
