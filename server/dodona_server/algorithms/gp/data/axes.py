"""Axes: the positions of a parameter's values on the unit interval.

A numeric value is at its position on the parameter's scale, 0 at the lower and 1 at the upper bound, so that equal
distances mean equal effects. A declared set of numbers without a logarithmic scale is spaced evenly by rank: a user who
writes 16, 32, 64, 128 regards the steps as about equal. The position of a categorical value is its index.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dodona_server.domain.space import Categorical, Discrete, Double, Integer, Kind, Scale, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# A range of integers up to this size is a table of values; a larger one is a rounded interval.
MAX_TABLE = 1024
# With more integers than this, rounding is no longer visible in a double in [0, 1].
MAX_ROUNDED = 2**40
# Doubles this large cannot represent all values of a range up to MAX_ROUNDED wide. So its offset is subtracted first,
# in integers. The range is so narrow relative to its offset that all scales are equal there.
FAR = 2**48
# How far outside [0, 1] the position of a value from another study may be.
OVERHANG = 0.5


@dataclass(frozen=True, slots=True)
class Interval:
    """A Double, or an Integer with too many values for a table.

    Args:
        kind: the parameter's.
        size: the number of values; infinite for a Double.
    """

    kind: Double | Integer
    size: float

    categorical = False

    def place(self, value: Value) -> float:
        """Return the position of `value`, at most `OVERHANG` outside [0, 1]; the middle if it is not a number."""
        if isinstance(value, str) or not math.isfinite(value):
            return 0.5
        return min(max(_position(self.kind, value), -OVERHANG), 1 + OVERHANG)

    def value(self, place: float) -> Value:
        """Return the value at `place`, within the bounds."""
        kind, place = self.kind, min(max(place, 0.0), 1.0)
        if isinstance(kind, Integer):
            if _is_far(kind.min_value, kind.max_value):
                return kind.min_value + round(place * (kind.max_value - kind.min_value))
            found = _at(kind, place)
            return min(max(round(found), kind.min_value), kind.max_value)
        return min(max(_at(kind, place), kind.min_value), kind.max_value)

    def snap(self, places: Array) -> Array:
        """Return the nearest positions of values, shape as given."""
        places = np.clip(places, 0.0, 1.0)
        if isinstance(self.kind, Double) or self.size > MAX_ROUNDED:
            return places
        return np.array([_position(self.kind, int(self.value(float(place)))) for place in places.ravel()]).reshape(
            places.shape
        )

    def spread(self, u: Array) -> Array:
        """Return positions of values as random search would draw them, from uniform `u`."""
        return self.snap(u)

    def neighbors(self, place: float) -> list[float]:
        """Return positions of nearby values for a local search; none on a continuous axis."""
        if isinstance(self.kind, Double) or self.size > MAX_ROUNDED:
            return []
        center = int(self.value(place))
        near = (center + step for step in (-2, -1, 1, 2))
        return [_position(self.kind, other) for other in near if self.kind.min_value <= other <= self.kind.max_value]


@dataclass(frozen=True, slots=True)
class Table:
    """A short list of numbers: a Discrete or a small Integer.

    Args:
        values: in ascending order.
        places: positions of the values, ascending from 0 to 1.
        edges: between the cells of the unit interval for random draws; one fewer than the values.
    """

    values: tuple[int | float, ...]
    places: Array
    edges: Array

    categorical = False

    @property
    def size(self) -> float:
        """Number of values."""
        return len(self.values)

    def place(self, value: Value) -> float:
        """Return the position of `value`, interpolated if it is not in the table; the middle if it is not a number."""
        if isinstance(value, str) or not math.isfinite(value):
            return 0.5
        offset = self.values[0] if _is_far(self.values[0], self.values[-1]) else 0
        known = np.array([one - offset for one in self.values] if offset else self.values, dtype=np.float64)
        return float(np.interp(float(value - offset), known, self.places))

    def value(self, place: float) -> Value:
        """Return the value nearest to `place`."""
        return self.values[int(self._nearest(np.array(place)))]

    def snap(self, places: Array) -> Array:
        """Return the nearest positions of values, shape as given."""
        return self.places[self._nearest(places)]

    def spread(self, u: Array) -> Array:
        """Return positions of values as random search would draw them, from uniform `u`."""
        return self.places[np.searchsorted(self.edges, u, side="right")]

    def neighbors(self, place: float) -> list[float]:
        """Return positions of other values for a local search: all of a short list, else the nearest four."""
        own = int(self._nearest(np.array(place)))
        reach = len(self.values) if len(self.values) <= 12 else 2
        low, high = max(0, own - reach), min(len(self.values), own + reach + 1)
        return [float(self.places[index]) for index in range(low, high) if index != own]

    def _nearest(self, places: Array) -> npt.NDArray[np.intp]:
        return np.searchsorted((self.places[1:] + self.places[:-1]) / 2, places, side="right")


@dataclass(frozen=True, slots=True)
class Choice:
    """A Categorical: positions are the values' numbers, and all are equally far from each other."""

    values: tuple[str, ...]
    index: dict[Value, int]

    categorical = True

    @property
    def size(self) -> float:
        """Number of values."""
        return len(self.values)

    def place(self, value: Value) -> float:
        """Return the number of `value`; -1 if it is not among the values."""
        return float(self.index.get(value, -1))

    def value(self, place: float) -> Value:
        """Return the value of that number."""
        return self.values[int(place)]

    def snap(self, places: Array) -> Array:
        """Return the positions as whole numbers of values."""
        return np.clip(np.floor(places), 0, len(self.values) - 1)

    def spread(self, u: Array) -> Array:
        """Return positions of values as random search would draw them, from uniform `u`."""
        return np.minimum(np.floor(u * len(self.values)), len(self.values) - 1)

    def neighbors(self, place: float) -> list[float]:
        """Return the positions of all other values."""
        return [float(index) for index in range(len(self.values)) if index != int(place)]


Axis = Interval | Table | Choice


def axis_of(kind: Kind) -> Axis:
    """Return the axis of a parameter's kind."""
    match kind:
        case Categorical():
            return Choice(kind.values, {value: index for index, value in enumerate(kind.values)})
        case Discrete():
            return _table(sorted(kind.values), kind)
        case Integer() if kind.max_value - kind.min_value < MAX_TABLE:
            return _table(range(kind.min_value, kind.max_value + 1), kind)
        case Integer():
            return Interval(kind, float(kind.max_value - kind.min_value + 1))
        case Double():
            return Interval(kind, math.inf if kind.max_value > kind.min_value else 1.0)


def _table(values: Sequence[int | float], kind: Discrete | Integer) -> Table:
    count = len(values)
    if count == 1:
        return Table(tuple(values), np.array([0.5]), np.empty(0))
    even = np.arange(1, count) / count
    if kind.scale is Scale.LINEAR or _is_far(values[0], values[-1]):
        return Table(tuple(values), np.linspace(0.0, 1.0, count), even)
    low, high = float(values[0]), float(values[-1])
    places = np.array([_logarithmic(float(value), low, high, kind.scale) for value in values])
    if isinstance(kind, Discrete):
        return Table(tuple(values), places, even)
    # As random search draws them: the integer v covers [v, v + 1).
    edges = np.array([_logarithmic(float(value), low, high + 1, kind.scale) for value in values[1:]])
    return Table(tuple(values), places, edges)


def _is_far(low: float, high: float) -> bool:
    """Return whether the range is so far from 0 that doubles cannot distinguish its values."""
    return max(abs(low), abs(high)) > FAR and high - low <= MAX_ROUNDED


def _position(kind: Double | Integer, value: float) -> float:
    low, high = kind.min_value, kind.max_value
    if high <= low:
        return 0.5
    if kind.scale is not Scale.LINEAR and not (isinstance(kind, Integer) and _is_far(low, high)):
        return _logarithmic(float(value), float(low), float(high), kind.scale)
    span = high - low
    # The difference of two doubles may overflow; the difference of their halves does not.
    return (value - low) / span if math.isfinite(span) else (value / 2 - low / 2) / (high / 2 - low / 2)


def _logarithmic(value: float, low: float, high: float, scale: Scale) -> float:
    span = math.log(high) - math.log(low)
    if span <= 0:
        return 0.5
    if scale is Scale.LOG:
        return (math.log(value) - math.log(low)) / span if value > 0 else -OVERHANG
    mirrored = (high - value) + low
    return 1 - (math.log(mirrored) - math.log(low)) / span if mirrored > 0 else 1 + OVERHANG


def _at(kind: Double | Integer, place: float) -> float:
    low, high = float(kind.min_value), float(kind.max_value)
    match kind.scale:
        case Scale.LINEAR:
            return low * (1 - place) + high * place
        case Scale.LOG:
            return math.exp(min(math.log(low) * (1 - place) + math.log(high) * place, math.log(high)))
        case Scale.REVERSE_LOG:
            mirrored = math.exp(min(math.log(high) * (1 - place) + math.log(low) * place, math.log(high)))
            return high - mirrored + low
