"""Small finite spaces, whose points can be listed."""

from __future__ import annotations

from collections.abc import Mapping

from dodona_server.algorithms.space.grid import Grid, count_points
from dodona_server.algorithms.space.permutation import Permutation
from dodona_server.domain.space import Integer, Scale, SearchSpace, Value

# In a space this small independent draws would soon repeat; in a larger one repeats are rare at first.
MAX_SMALL = 1000


def small_grid(space: SearchSpace) -> Grid | None:
    """Return the grid of all points of a space with at most `MAX_SMALL` points; None for a larger space."""
    size = count_points(space)
    return Grid(space, 1) if size is not None and size <= MAX_SMALL else None


def without_repeats(
    space: SearchSpace, seed: int, position: int, count: int, rounds: int | None = None
) -> list[Mapping[str, Value]] | None:
    """Return up to `count` points from `position` on of a walk over a small space, each round in another order.

    The walk ends after `rounds` rounds, or never. None for a space that is not small, and for one whose points are not
    equally likely: with conditional parameters or logarithmic integers the walk would not be random search without
    repeats.
    """
    for parameter in space.parameters:
        kind = parameter.kind
        if parameter.branches or (isinstance(kind, Integer) and kind.scale is not Scale.LINEAR):
            return None
    grid = small_grid(space)
    if grid is None:
        return None
    found: list[Mapping[str, Value]] = []
    end = position + count if rounds is None else min(position + count, rounds * grid.size)
    for index in range(position, end):
        turn, place = divmod(index, grid.size)
        found.append(grid[Permutation(grid.size, f"{seed}/{turn}")[place]])
    return found
