"""A grid over a search space, found by number and never written out.

An axis has a list of values; below a value stands the product of the grids of the children that it activates. The
number of points is thus a sum of products, and a point is found from its number by dividing with remainder.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

from dodona_server.domain.space import Double, Integer, Parameter, Scale, SearchSpace, Value
from dodona_server.oracle.scaling import CENTRE, spread

# An integer has all its values on the grid up to this many; a wider range is thinned.
MAX_INTEGER_VALUES = 1000


class Grid:
    """The grid over a space; the last parameter changes fastest.

    Args:
        space: what is searched.
        points: how many values a Double has on the grid, and an Integer of more than `MAX_INTEGER_VALUES` values.
    """

    def __init__(self, space: SearchSpace, points: int) -> None:
        self._axes = [_Axis(parameter, points) for parameter in space.parameters]
        self.size: int = math.prod(axis.size for axis in self._axes)

    def __getitem__(self, index: int) -> dict[str, Value]:
        """The point of that number: a value for each active parameter."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        values: dict[str, Value] = {}
        _fill(values, self._axes, index)
        return values


def _fill(values: dict[str, Value], axes: Sequence[_Axis], index: int) -> None:
    numbers = []
    for axis in reversed(axes):
        index, number = divmod(index, axis.size)
        numbers.append(number)
    for axis, number in zip(axes, reversed(numbers), strict=True):
        axis.fill(values, number)


class _Axis:
    """A parameter's values on the grid and what stands below them.

    Most values of a long axis have nothing below them: only where something does (`_forks`, in ascending order) is
    the numbering looked up, between two of those it runs on by one.
    """

    def __init__(self, parameter: Parameter, points: int) -> None:
        self._name = parameter.id
        self._values = grid_values(parameter, points)
        named = {value for branch in parameter.branches for value in branch.values}
        positions = {value: position for position, value in enumerate(self._values)} if named else {}
        self._forks = sorted(positions[value] for value in named if value in positions)
        self._below = [
            [_Axis(child, points) for child in parameter.active_branches(self._values[fork])] for fork in self._forks
        ]
        # The number of each fork's first point, and of the first point after the last.
        self._starts: list[int] = []
        number = position = 0
        for fork, below in zip(self._forks, self._below, strict=True):
            number += fork - position
            self._starts.append(number)
            number += math.prod(axis.size for axis in below)
            position = fork + 1
        self.size: int = number + len(self._values) - position

    def fill(self, values: dict[str, Value], number: int) -> None:
        """Puts in the value of point `number` of this axis, and of what stands below it."""
        last = bisect_right(self._starts, number) - 1
        if last < 0:
            values[self._name] = self._values[number]
            return
        within = number - self._starts[last]
        inside = self._sizes[last]
        if within < inside:
            values[self._name] = self._values[self._forks[last]]
            _fill(values, self._below[last], within)
        else:
            values[self._name] = self._values[self._forks[last] + 1 + within - inside]

    @cached_property
    def _sizes(self) -> list[int]:
        return [math.prod(axis.size for axis in below) for below in self._below]


def grid_values(parameter: Parameter, points: int) -> Sequence[Value]:
    """A parameter's values on the grid.

    A categorical or discrete parameter has all its values, in the declared order, and so has an integer with up to
    `MAX_INTEGER_VALUES`. Of a real interval there are `points` at even distances on its scale, both ends among them
    (the middle alone, if one is asked for); of a wider range of integers those next to such places, besides the
    values that have conditional parameters.
    """
    kind = parameter.kind
    match kind:
        case Double():
            return list(dict.fromkeys(_even(kind.min_value, kind.max_value, kind.scale, points)))
        case Integer() if kind.max_value - kind.min_value < MAX_INTEGER_VALUES:
            return range(kind.min_value, kind.max_value + 1)
        case Integer():
            named = {int(value) for branch in parameter.branches for value in branch.values}
            return sorted(named.union(_even_integers(kind, points)))
        case _:
            return kind.values


def _even(low: float, high: float, scale: Scale, points: int) -> list[float]:
    if points == 1:
        return [spread(CENTRE, low, high, scale)]
    # The ends as they were declared, without rounding errors.
    inner = [spread(index / (points - 1), low, high, scale) for index in range(1, points - 1)]
    return [low, *inner, high]


def _even_integers(kind: Integer, points: int) -> list[int]:
    low, high = kind.min_value, kind.max_value
    if kind.scale is Scale.LINEAR:
        # In integers: a double has too few digits for 64 bits.
        return (
            [low + (high - low) // 2]
            if points == 1
            else [low + (high - low) * index // (points - 1) for index in range(points)]
        )
    return [min(max(round(value), low), high) for value in _even(low, high, kind.scale, points)]


def count_points(space: SearchSpace) -> int | None:
    """How many points a space has; None if that is without end, for practical purposes."""
    for _, parameter in space.walk():
        kind = parameter.kind
        if isinstance(kind, Double) and kind.min_value < kind.max_value:
            return None
        if isinstance(kind, Integer) and kind.max_value - kind.min_value >= MAX_INTEGER_VALUES:
            return None
    return Grid(space, 1).size
