"""A grid over a search space: points are computed from their number and never listed.

An axis has a list of values; below each value is the product of the grids of the children that it activates. So the
number of points is a sum of products, and a point follows from its number by division with remainder.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Container, Sequence
from typing import TypeVar

from dodona_server.algorithms.space.unit_interval import CENTER, spread
from dodona_server.domain.space import Double, Integer, Parameter, Scale, SearchSpace, Value

# An integer with up to this many values has all of them on the grid; a wider range is thinned.
MAX_INTEGER_VALUES = 1000
# Up to this many doubles are compared with each other, so that no two are equal.
MAX_LISTED = 1000

_Number = TypeVar("_Number", bound=float)


class Grid:
    """Grid over a space; the last parameter changes fastest.

    Args:
        space: what is searched.
        points: the number of grid values of a Double, and of an Integer with more than `MAX_INTEGER_VALUES` values.
    """

    def __init__(self, space: SearchSpace, points: int) -> None:
        made: dict[int, _Axis] = {}
        self._names = [parameter.id for parameter in space.parameters]
        self._axes = [_axis(parameter, points, made) for parameter in space.parameters]
        self.size: int = math.prod(axis.size for axis in self._axes)

    def after(self, index: int, names: Container[str]) -> int:
        """Return the number of the next point after `index`, skipping the values of the space's last parameters.

        Args:
            index: of a point.
            names: parameters not to skip; of the last parameters, those after the last one in `names` are skipped.
        """
        block = 1
        for name, axis in zip(reversed(self._names), reversed(self._axes), strict=True):
            if name in names:
                break
            block *= axis.size
        return (index // block + 1) * block

    def __getitem__(self, index: int) -> dict[str, Value]:
        """Return the point of that number: a value for each active parameter."""
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


def _axis(parameter: Parameter, points: int, made: dict[int, _Axis]) -> _Axis:
    """Return the axis of `parameter`, created only once: several values may lead to it, at each level of the tree."""
    axis = made.get(id(parameter))
    if axis is None:
        axis = made[id(parameter)] = _Axis(parameter, points, made)
    return axis


class _Axis:
    """A parameter's values on the grid and the axes below them.

    Most values of a long axis have nothing below them. Numbers are looked up only at the values that do (`_forks`, in
    ascending order); between two of them they increase by one.
    """

    def __init__(self, parameter: Parameter, points: int, made: dict[int, _Axis]) -> None:
        self._name = parameter.id
        self._values = grid_values(parameter, points)
        positions = {value: position for position, value in enumerate(self._values)} if parameter.branches else {}
        below: dict[int, list[_Axis]] = {}
        for branch in parameter.branches:
            child = _axis(branch.parameter, points, made)
            for value in dict.fromkeys(branch.values):
                if value in positions:
                    below.setdefault(positions[value], []).append(child)
        self._forks = sorted(below)
        self._below = [below[fork] for fork in self._forks]
        self._sizes = [math.prod(axis.size for axis in axes) for axes in self._below]
        # The number of each fork's first point, and of the first point after the last.
        self._starts: list[int] = []
        number = position = 0
        for fork, size in zip(self._forks, self._sizes, strict=True):
            number += fork - position
            self._starts.append(number)
            number += size
            position = fork + 1
        self.size: int = number + len(self._values) - position

    def fill(self, values: dict[str, Value], number: int) -> None:
        """Put in the value of point `number` of this axis, and of what stands below it."""
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


def grid_values(parameter: Parameter, points: int) -> Sequence[Value]:
    """Return a parameter's values on the grid.

    - A categorical or discrete parameter, or an integer with up to `MAX_INTEGER_VALUES` values: all values, in the
      declared order.
    - A real interval: `points` values at even distances on its scale, both ends included; the middle if `points` is 1.
    - A wider range of integers: those next to such positions, and the values that have conditional parameters.

    Equal values are merged, except in a list of more than `MAX_LISTED` doubles, which is never listed.
    """
    kind = parameter.kind
    match kind:
        case Double():
            even = _even(kind.min_value, kind.max_value, kind.scale, points)
            return even if len(even) > MAX_LISTED else list(dict.fromkeys(even))
        case Integer() if kind.max_value - kind.min_value < MAX_INTEGER_VALUES:
            return range(kind.min_value, kind.max_value + 1)
        case Integer():
            named = {int(value) for branch in parameter.branches for value in branch.values}
            integers = _even_integers(kind, points)
            return sorted(named.union(integers)) if named else integers
        case _:
            return kind.values


class _Found(Sequence[_Number]):
    """Values that are computed from their number and never listed: an axis may have a million.

    Args:
        size: the number of values.
        find: returns the value of a number.
    """

    def __init__(self, size: int, find: Callable[[int], _Number]) -> None:
        self._size, self._find = size, find

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> _Number:  # type: ignore[override]  # no slices
        if not 0 <= index < self._size:
            raise IndexError(index)
        return self._find(index)


def _even(low: float, high: float, scale: Scale, points: int) -> Sequence[float]:
    """Return values at even distances on a scale, in ascending order."""
    if points == 1 or low == high:
        return [spread(CENTER, low, high, scale)]
    # The ends exactly as declared, without rounding errors.
    ends = {0: low, points - 1: high}
    return _Found(
        points, lambda index: ends[index] if index in ends else spread(index / (points - 1), low, high, scale)
    )


def _even_integers(kind: Integer, points: int) -> Sequence[int]:
    """Return the integers nearest to even distances on their scale, in ascending order, each once."""
    low, high = kind.min_value, kind.max_value
    if kind.scale is not Scale.LINEAR:
        return sorted({min(max(round(value), low), high) for value in _even(low, high, kind.scale, points)})
    # In integers: a double has too few digits for 64 bits.
    span = high - low
    if points == 1:
        return [low + span // 2]
    return range(low, high + 1) if span < points else _Found(points, lambda index: low + span * index // (points - 1))


def count_points(space: SearchSpace) -> int | None:
    """Return the number of points of a space; None if it is infinite or nearly so."""
    for _, parameter in space.walk():
        kind = parameter.kind
        if isinstance(kind, Double) and kind.min_value < kind.max_value:
            return None
        if isinstance(kind, Integer) and kind.max_value - kind.min_value >= MAX_INTEGER_VALUES:
            return None
    return Grid(space, 1).size
