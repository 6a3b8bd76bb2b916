"""Four kinds of parameters, and the values that each allows.

Values are plain: float for a Double, int for an Integer, str for a Categorical and, for a Discrete, the very number
that was declared.
"""

from __future__ import annotations

import enum
import itertools
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dodona_server.domain.errors import Field, InvalidArgument, inside

Value = float | int | str
Values = Mapping[str, Value]

INT64_MAX = 2**63 - 1
MAX_DOUBLE = sys.float_info.max
MAX_DISCRETE_VALUES = 1000
MAX_CATEGORICAL_VALUES = 10_000
MIN_DISCRETE_GAP = 1e-10
# Rounding errors of computed values stay below these; declared values are further apart.
_RELATIVE_ERROR = 1e-12
_ABSOLUTE_ERROR = 1e-12


class Scale(enum.StrEnum):
    """Mapping of a numeric parameter's values to the unit interval."""

    LINEAR = "LINEAR"
    LOG = "LOG"
    REVERSE_LOG = "REVERSE_LOG"


def is_number(value: object) -> bool:
    """Return whether `value` is a finite number and not a boolean."""
    # Not math.isfinite, which fails on integers beyond the range of doubles. NaN is within no bounds.
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_DOUBLE <= value <= MAX_DOUBLE


def _check_range(low: float, high: float, scale: Scale) -> None:
    for name, bound in (("min_value", low), ("max_value", high)):
        if not is_number(bound):
            raise InvalidArgument(f"{bound!r} is not a finite number", name)
    if low > high:
        raise InvalidArgument((f"{low!r} exceeds ", Field("max_value"), f" {high!r}"), "min_value")
    if scale is not Scale.LINEAR and low <= 0:
        raise InvalidArgument(f"{low!r} must be above 0 for a logarithmic scale", "min_value")


@dataclass(frozen=True, slots=True)
class Double:
    """A real interval, both ends included."""

    min_value: float
    max_value: float
    scale: Scale = Scale.LINEAR
    default_value: float | None = None
    type: Literal["double"] = "double"

    def __post_init__(self) -> None:
        _check_range(self.min_value, self.max_value, self.scale)
        _check_default(self)

    def check(self, value: object) -> float:
        """Return `value` as a float of the interval."""
        if not is_number(value) or not self.min_value <= value <= self.max_value:  # type: ignore[operator]
            raise InvalidArgument(f"{value!r} is not a number from {self.min_value!r} to {self.max_value!r}")
        return float(value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Integer:
    """A range of integers, both ends included."""

    min_value: int
    max_value: int
    scale: Scale = Scale.LINEAR
    default_value: int | None = None
    type: Literal["integer"] = "integer"

    def __post_init__(self) -> None:
        _check_range(self.min_value, self.max_value, self.scale)
        for name, bound in (("min_value", self.min_value), ("max_value", self.max_value)):
            if abs(bound) > INT64_MAX:
                raise InvalidArgument(f"{bound} does not fit into 64 bits", name)
        _check_default(self)

    def check(self, value: object) -> int:
        """Return `value` as an int of the range; a float without a fraction is accepted too."""
        if not is_number(value) or value != int(value) or not self.min_value <= value <= self.max_value:  # type: ignore[operator, call-overload]
            raise InvalidArgument(f"{value!r} is not an integer from {self.min_value} to {self.max_value}")
        return int(value)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True)
class Categorical:
    """An unordered set of names."""

    values: tuple[str, ...]
    default_value: str | None = None
    type: Literal["categorical"] = "categorical"

    def __post_init__(self) -> None:
        _check_values(self.values, MAX_CATEGORICAL_VALUES)
        _check_default(self)

    def check(self, value: object) -> str:
        """Return `value`, which must be one of the names."""
        if not isinstance(value, str) or value not in self.values:
            raise InvalidArgument(f"{value!r} is not one of {listed(self.values)}")
        return value


@dataclass(frozen=True, slots=True)
class Discrete:
    """A set of numbers, in the order they were declared."""

    values: tuple[int | float, ...]
    scale: Scale = Scale.LINEAR
    default_value: int | float | None = None
    type: Literal["discrete"] = "discrete"

    def __post_init__(self) -> None:
        _check_values(self.values, MAX_DISCRETE_VALUES)
        for value in self.values:
            if not is_number(value):
                raise InvalidArgument(f"{value!r} is not a finite number", "values")
        ordered = sorted(self.values)
        for low, high in itertools.pairwise(ordered):
            if high - low < MIN_DISCRETE_GAP:
                raise InvalidArgument(f"{low!r} and {high!r} are less than {MIN_DISCRETE_GAP} apart", "values")
        if self.scale is not Scale.LINEAR and ordered[0] <= 0:
            raise InvalidArgument(f"{ordered[0]!r} must be above 0 for a logarithmic scale", "values")
        _check_default(self)

    def check(self, value: object) -> int | float:
        """Return the declared number that equals `value` up to rounding errors."""
        if is_number(value) and (declared := closest(self.values, value)) is not None:  # type: ignore[arg-type]
            return declared
        raise InvalidArgument(f"{value!r} is not one of {listed(self.values)}")


def closest(declared: Iterable[int | float], value: float) -> int | float | None:
    """Return the declared number that equals `value` up to rounding errors of computed steps; None if there is none.

    So 0.1 + 0.2 is 0.3. Whole numbers are compared exactly, as they have no such errors.
    """
    near = [one for one in declared if one == value or _rounded_alike(one, value)]
    return min(near, key=lambda one: abs(one - value), default=None)


def _rounded_alike(one: float, other: float) -> bool:
    if one == int(one) and other == int(other):
        return False
    return math.isclose(one, other, rel_tol=_RELATIVE_ERROR, abs_tol=_ABSOLUTE_ERROR)


def agrees(values: Values, context: Mapping[str, object]) -> bool:
    """Return whether `values` match those of a context, up to rounding errors."""
    return all(name in values and _same(values[name], wanted) for name, wanted in context.items())


def _same(value: Value, wanted: object) -> bool:
    if value == wanted:
        return True
    return is_number(value) and is_number(wanted) and _rounded_alike(value, wanted)  # type: ignore[arg-type]


Kind = Double | Integer | Categorical | Discrete


def _check_values(values: tuple[object, ...], limit: int) -> None:
    if not values:
        raise InvalidArgument("is empty; at least one value is needed", "values")
    if len(values) > limit:
        raise InvalidArgument(f"{len(values)} values; {limit} are allowed", "values")
    if len(set(values)) < len(values):
        repeated = next(value for value in values if values.count(value) > 1)
        raise InvalidArgument(f"{repeated!r} appears twice", "values")


def _check_default(kind: Kind) -> None:
    if kind.default_value is not None:
        with inside("default_value"):
            kind.check(kind.default_value)


def listed(values: tuple[object, ...]) -> str:
    """Return the values as text for a message: the first ten, and how many more there are."""
    shown = ", ".join(repr(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown} and {len(values) - 10} more"
