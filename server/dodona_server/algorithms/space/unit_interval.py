"""Mapping between a parameter's values and the unit interval.

A value of a finite kind has a cell of the interval, a value of a Double a point. A uniform draw from the interval draws
the values as random search does. Symbol: `u` in [0, 1] is a position.

- Double: linear or logarithmic between its ends.
- Integer: n covers [n, n + 1) on the scale, so that the last one is as likely as the others.
- Discrete: cells of equal width in ascending order, whatever the gaps, because people list numbers (16, 32, 64; 1e-4,
  1e-3) that they mean to try equally often.
- Categorical: cells of equal width in the declared order, which has no meaning.
"""

from __future__ import annotations

import math
from functools import cached_property

from dodona_server.domain.space import Categorical, Discrete, Double, Integer, Kind, Scale, Value

CENTER = 0.5


def spread(u: float, low: float, high: float, scale: Scale) -> float:
    """Return the value of [low, high] at position `u` on `scale`."""
    match scale:
        case Scale.LINEAR:
            value = low * (1 - u) + high * u  # not low + u * (high - low), which may overflow
        case Scale.LOG:
            value = math.exp(min(math.log(low) * (1 - u) + math.log(high) * u, math.log(high)))
        case Scale.REVERSE_LOG:
            value = high - math.exp(min(math.log(high) * (1 - u) + math.log(low) * u, math.log(high))) + low
    return min(max(value, low), high)


def place(value: float, low: float, high: float, scale: Scale) -> float:
    """Return the position of `value` in [low, high] on `scale`, the inverse of `spread`; the center if low is high."""
    match scale:
        case Scale.LINEAR:
            part, whole = value / 2 - low / 2, high / 2 - low / 2
        case Scale.LOG:
            part, whole = math.log(value) - math.log(low), math.log(high) - math.log(low)
        case Scale.REVERSE_LOG:
            part = math.log(high) - math.log(max(high - value + low, low))
            whole = math.log(high) - math.log(low)
    return min(max(part / whole, 0.0), 1.0) if whole > 0 and math.isfinite(part) else CENTER


class Axis:
    """A parameter's values on the unit interval.

    Args:
        kind: the parameter's.

    Attributes:
        levels: the number of values; None for an interval of reals.
        ordered: whether neighboring positions mean similar values.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.ordered = not isinstance(kind, Categorical)
        self.levels: int | None = None
        self._values: tuple[Value, ...] = ()
        match kind:
            case Integer():
                self.levels = kind.max_value - kind.min_value + 1
            case Categorical():
                self._values = kind.values
                self.levels = len(kind.values)
            case Discrete():
                self._values = tuple(sorted(kind.values))
                self.levels = len(kind.values)

    @cached_property
    def _ranks(self) -> dict[Value, int]:
        return {value: rank for rank, value in enumerate(self._values)}

    def value(self, u: float) -> Value:
        """Return the value at position `u`."""
        kind = self.kind
        if isinstance(kind, Double):
            return spread(u, kind.min_value, kind.max_value, kind.scale)
        if isinstance(kind, Integer):
            return self._integer(kind, u)
        return self._values[min(int(u * len(self._values)), len(self._values) - 1)]

    @staticmethod
    def _integer(kind: Integer, u: float) -> int:
        if kind.scale is Scale.LINEAR:
            # In integers: a double has too few digits for 64 bits.
            found = kind.min_value + int(u * (kind.max_value - kind.min_value + 1))
        else:
            found = math.floor(spread(u, kind.min_value, kind.max_value + 1, kind.scale))
        return min(max(found, kind.min_value), kind.max_value)

    def cell(self, value: object) -> tuple[float, float] | None:
        """Return the ends of the value's cell, equal for a Double; None if the parameter cannot have the value."""
        kind = self.kind
        if not isinstance(kind, Double | Integer):
            rank = self._ranks.get(value)  # type: ignore[call-overload]
            return None if rank is None else (rank / len(self._values), (rank + 1) / len(self._values))
        if not isinstance(value, int | float) or not kind.min_value <= value <= kind.max_value:
            return None
        low, high = kind.min_value, kind.max_value
        if isinstance(kind, Double):
            u = place(value, low, high, kind.scale)
            return u, u
        if kind.scale is Scale.LINEAR:
            # Differences of integers are exact; see `_integer`.
            return (value - low) / (high - low + 1), (value - low + 1) / (high - low + 1)
        return place(value, low, high + 1, kind.scale), place(value + 1, low, high + 1, kind.scale)

    def place(self, value: object) -> float | None:
        """Return the middle of the value's cell; None if the parameter cannot have the value."""
        cell = self.cell(value)
        return None if cell is None else (cell[0] + cell[1]) / 2
