"""The search space: parameters of four kinds in a tree of conditions.

A parameter is active when it stands at the root, or when its parent is active and has one of the values that
its branch names. Values are plain: float for a Double, int for an Integer, str for a Categorical and, for a
Discrete, the very number that was declared.
"""

from __future__ import annotations

import enum
import itertools
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dodona_server.domain.errors import InvalidArgument, inside

Value = float | int | str
Values = Mapping[str, Value]

INT64_MAX = 2**63 - 1
MAX_DOUBLE = sys.float_info.max
MAX_NAME_LENGTH = 256
MAX_PARAMETERS = 1000
MAX_DEPTH = 32
MAX_DISCRETE_VALUES = 1000
MAX_CATEGORICAL_VALUES = 10_000
MIN_DISCRETE_GAP = 1e-10
# Rounding errors of computed values stay below these, and declared values are further apart.
_RELATIVE_ERROR = 1e-12
_ABSOLUTE_ERROR = 1e-12


class Scale(enum.StrEnum):
    """How a numeric parameter's values are spread over the unit interval."""

    LINEAR = "LINEAR"
    LOG = "LOG"
    REVERSE_LOG = "REVERSE_LOG"


def is_number(value: object) -> bool:
    """Whether `value` is a finite number and no boolean."""
    # Not math.isfinite, which fails on integers beyond the range of doubles; NaN is within no bounds.
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_DOUBLE <= value <= MAX_DOUBLE


def check_depth(depth: int) -> None:
    """Refuses conditional parameters that are nested too deep; those at the root have the depth 1."""
    if depth > MAX_DEPTH:
        raise InvalidArgument(f"nested more than {MAX_DEPTH} deep, which is allowed", "conditionalParameterSpecs")


def _check_range(low: float, high: float, scale: Scale) -> None:
    for name, bound in (("minValue", low), ("maxValue", high)):
        if not is_number(bound):
            raise InvalidArgument(f"{bound!r} is not a finite number", name)
    if low > high:
        raise InvalidArgument(f"{low!r} exceeds maxValue {high!r}", "minValue")
    if scale is not Scale.LINEAR and low <= 0:
        raise InvalidArgument(f"{low!r} must be above 0 for a logarithmic scale", "minValue")


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
        """`value` as a float of the interval."""
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
        for name, bound in (("minValue", self.min_value), ("maxValue", self.max_value)):
            if abs(bound) > INT64_MAX:
                raise InvalidArgument(f"{bound} does not fit into 64 bits", name)
        _check_default(self)

    def check(self, value: object) -> int:
        """`value` as an int of the range; a float without a fraction is taken too."""
        if not is_number(value) or value != int(value) or not self.min_value <= value <= self.max_value:  # type: ignore[operator, call-overload]
            raise InvalidArgument(f"{value!r} is not an integer from {self.min_value} to {self.max_value}")
        return int(value)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True)
class Categorical:
    """A set of names without an order."""

    values: tuple[str, ...]
    default_value: str | None = None
    type: Literal["categorical"] = "categorical"

    def __post_init__(self) -> None:
        _check_values(self.values, MAX_CATEGORICAL_VALUES)
        _check_default(self)

    def check(self, value: object) -> str:
        """`value`, if it is one of the names."""
        if not isinstance(value, str) or value not in self.values:
            raise InvalidArgument(f"{value!r} is none of {_shortened(self.values)}")
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
        """The declared number that `value` is, up to rounding errors."""
        if is_number(value) and (declared := closest(self.values, value)) is not None:  # type: ignore[arg-type]
            return declared
        raise InvalidArgument(f"{value!r} is none of {_shortened(self.values)}")


def closest(declared: Iterable[int | float], value: float) -> int | float | None:
    """The declared number that `value` is, up to the rounding errors of computed steps; None if there is none.

    0.1 + 0.2 is 0.3. Whole numbers are compared exactly, as they have no such errors.
    """
    near = [one for one in declared if one == value or _rounded_alike(one, value)]
    return min(near, key=lambda one: abs(one - value), default=None)


def _rounded_alike(one: float, other: float) -> bool:
    if one == int(one) and other == int(other):
        return False
    return math.isclose(one, other, rel_tol=_RELATIVE_ERROR, abs_tol=_ABSOLUTE_ERROR)


def agrees(values: Values, context: Mapping[str, object]) -> bool:
    """Whether a point has the values of a context, up to rounding errors."""
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
        with inside("defaultValue"):
            kind.check(kind.default_value)


def _shortened(values: tuple[object, ...]) -> str:
    shown = ", ".join(repr(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown} and {len(values) - 10} more"


@dataclass(frozen=True, slots=True)
class Branch:
    """A child parameter and the parent's values under which it is active."""

    values: tuple[Value, ...]
    parameter: Parameter


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named dimension of the search, with those that depend on it.

    `metadata` is the client's own and means nothing here.
    """

    id: str
    kind: Kind
    branches: tuple[Branch, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidArgument("is empty; every parameter needs a name", "parameterId")
        if len(self.id) > MAX_NAME_LENGTH:
            raise InvalidArgument(f"{len(self.id)} characters; {MAX_NAME_LENGTH} are allowed", "parameterId")
        if self.branches and isinstance(self.kind, Double):
            raise InvalidArgument(
                f"{self.id!r} is a DOUBLE; only INTEGER, CATEGORICAL and DISCRETE can have conditional parameters",
                "conditionalParameterSpecs",
            )
        branches: list[Branch] = []
        for index, branch in enumerate(self.branches):
            with inside(f"conditionalParameterSpecs[{index}]"):
                if not branch.values:
                    raise InvalidArgument(f"names no value of the parent {self.id!r}; at least one is needed")
                # In the kind's own numbers, since trials have those.
                values = tuple(self.kind.check(value) for value in branch.values)
                branches.append(Branch(values, branch.parameter))
        object.__setattr__(self, "branches", tuple(branches))

    def active_branches(self, value: Value) -> Iterator[Parameter]:
        """The children that are active when this parameter has `value`."""
        return (branch.parameter for branch in self.branches if value in branch.values)


# Where a parameter stands: the (parent, values) conditions from the root to it.
Path = tuple[tuple[str, tuple[Value, ...]], ...]


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """All parameters of a study.

    A name may stand in two branches if they can never be active together.
    """

    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, list[Path]] = {}
        for count, (path, parameter) in enumerate(self.walk(), start=1):
            if count > MAX_PARAMETERS:
                raise InvalidArgument(f"more than {MAX_PARAMETERS}, which are allowed", "parameters")
            check_depth(len(path) + 1)
            for other in seen.setdefault(parameter.id, []):
                if not _exclusive(path, other):
                    raise InvalidArgument(f"{parameter.id!r} appears twice", "parameters")
            seen[parameter.id].append(path)

    def walk(self) -> Iterator[tuple[Path, Parameter]]:
        """Every parameter with its path, parents before children."""
        stack: list[tuple[Path, Parameter]] = [((), parameter) for parameter in reversed(self.parameters)]
        while stack:
            path, parameter = stack.pop()
            yield path, parameter
            stack.extend(
                ((*path, (parameter.id, branch.values)), branch.parameter) for branch in reversed(parameter.branches)
            )

    def check(self, values: Mapping[str, object]) -> dict[str, Value]:
        """`values` in the kinds' types: exactly the active parameters, defaults filled in.

        Raises:
            InvalidArgument: a value is missing, out of its parameter's range, or of no active parameter.
        """
        return self._check(values, defaults=True, whole=True)

    def check_queued(self, values: Mapping[str, object]) -> dict[str, Value]:
        """`values` in the kinds' types, defaults filled in; a parameter without a default may be left open.

        Raises:
            InvalidArgument: a value is out of its parameter's range, or of no parameter that is sure to be active.
        """
        return self._check(values, defaults=True, whole=False)

    def is_whole(self, values: Mapping[str, Value]) -> bool:
        """Whether every active parameter has a value."""
        pending = list(self.parameters)
        while pending:
            parameter = pending.pop()
            if parameter.id not in values:
                return False
            pending += parameter.active_branches(values[parameter.id])
        return True

    def check_used(self, values: Mapping[str, object]) -> dict[str, Value]:
        """`values` in the kinds' types: those that a trial has used, which may be fewer than all active ones.

        Raises:
            InvalidArgument: a value is out of its parameter's range, or of no active parameter.
        """
        return self._check(values, defaults=False, whole=False)

    def _check(self, values: Mapping[str, object], *, defaults: bool, whole: bool) -> dict[str, Value]:
        checked: dict[str, Value] = {}
        pending = list(reversed(self.parameters))
        while pending:
            parameter = pending.pop()
            given = values.get(parameter.id, parameter.kind.default_value if defaults else None)
            if given is None:
                if whole:
                    raise InvalidArgument(f"{parameter.id!r} has no value", "parameters")
                continue
            with inside(f"parameters[{parameter.id!r}]"):
                value = parameter.kind.check(given)
            checked[parameter.id] = value
            pending.extend(reversed(list(parameter.active_branches(value))))
        unknown = values.keys() - checked.keys()
        if unknown:
            raise InvalidArgument(
                f"{min(unknown)!r} is no active parameter; active are {_shortened(tuple(checked))}",
                "parameters",
            )
        return checked

    def restrict(self, fixed: Mapping[str, object]) -> SearchSpace:
        """The part of the space where the parameters of `fixed` have those values, or are not active.

        Raises:
            InvalidArgument: there is no such parameter, or none of that name that can be active can have the value.
        """
        places: dict[str, list[Parameter]] = {}
        for _, parameter in self.walk():
            places.setdefault(parameter.id, []).append(parameter)
        unknown = fixed.keys() - places.keys()
        if unknown:
            raise InvalidArgument(f"{min(unknown)!r} is no parameter of the study", "parameters")
        for name, value in fixed.items():
            _check_any(places[name], value)
        return SearchSpace(tuple(_restricted(parameter, fixed) for parameter in self.parameters))

    def grow(self, added: Iterable[Parameter]) -> SearchSpace:
        """The space with `added` joined in: new parameters at the end, new branches under parents of the same kind.

        Raises:
            InvalidArgument: a parameter is here already with another range or kind.
        """
        return SearchSpace(_merged(self.parameters, added))


def _check_any(parameters: Sequence[Parameter], value: object) -> None:
    """Refuses a value that none of the parameters, all of one name, can have."""
    for index, parameter in enumerate(parameters, start=1):
        try:
            with inside(f"parameters[{parameter.id!r}]"):
                parameter.kind.check(value)
        except InvalidArgument:
            if index == len(parameters):
                raise
        else:
            return


def _restricted(parameter: Parameter, fixed: Mapping[str, object]) -> Parameter:
    """The parameter with nothing left but what `fixed` allows.

    Raises:
        InvalidArgument: that is nothing.
    """
    kind = parameter.kind
    if parameter.id in fixed:
        with inside(f"parameters[{parameter.id!r}]"):
            value = kind.check(fixed[parameter.id])
        below = tuple(Branch((value,), _restricted(child, fixed)) for child in parameter.active_branches(value))
        return Parameter(parameter.id, _only(kind, value), below, parameter.metadata)
    possible: list[Branch] = []
    excluded: set[Value] = set()
    for branch in parameter.branches:
        try:
            possible.append(Branch(branch.values, _restricted(branch.parameter, fixed)))
        except InvalidArgument as error:
            # A name may stand in several branches, with a range in each: the values that lead here are out.
            excluded.update(branch.values)
            if (left := _without(parameter.kind, excluded)) is None:
                raise error
            kind = left
    if excluded:
        possible = [
            Branch(values, branch.parameter)
            for branch in possible
            if (values := tuple(value for value in branch.values if _has(kind, value)))
        ]
    return Parameter(parameter.id, kind, tuple(possible), parameter.metadata)


def _has(kind: Kind, value: Value) -> bool:
    if isinstance(kind, Double | Integer):
        return kind.min_value <= value <= kind.max_value  # type: ignore[operator]
    return value in kind.values


def _without(kind: Kind, excluded: Collection[Value]) -> Kind | None:
    """The kind without some of its values; None if none is left."""
    if isinstance(kind, Double):
        return kind
    if isinstance(kind, Integer):
        # A range has no gaps: the longest part that is free of them.
        ends = sorted({kind.min_value - 1, *(int(value) for value in excluded), kind.max_value + 1})
        low, high = max(itertools.pairwise(ends), key=lambda pair: pair[1] - pair[0])
        return Integer(low + 1, high - 1, kind.scale) if high - low > 1 else None
    values = tuple(value for value in kind.values if value not in excluded)
    return replace(kind, values=values, default_value=None) if values else None  # type: ignore[arg-type]


def _only(kind: Kind, value: Value) -> Kind:
    """The kind with a single value left, one that it has checked."""
    match kind:
        case Double():
            return Double(float(value), float(value), kind.scale)
        case Integer():
            return Integer(int(value), int(value), kind.scale)
        case Discrete():
            return Discrete((value,), kind.scale)  # type: ignore[arg-type]
        case Categorical():
            return Categorical((str(value),))


def _merged(present: tuple[Parameter, ...], added: Iterable[Parameter]) -> tuple[Parameter, ...]:
    by_id = {parameter.id: parameter for parameter in present}
    for parameter in added:
        known = by_id.get(parameter.id)
        if known is None:
            by_id[parameter.id] = parameter
            continue
        if known.kind != parameter.kind:
            raise InvalidArgument(
                f"{parameter.id!r} is in the study already as {known.kind}; a parameter's range never changes",
                "parameters",
            )
        by_id[parameter.id] = Parameter(
            known.id, known.kind, _merged_branches(known.branches, parameter.branches), known.metadata
        )
    return tuple(by_id.values())


def _merged_branches(present: tuple[Branch, ...], added: tuple[Branch, ...]) -> tuple[Branch, ...]:
    merged = list(present)
    for branch in added:
        for index, known in enumerate(merged):
            if known.values == branch.values and known.parameter.id == branch.parameter.id:
                (parameter,) = _merged((known.parameter,), (branch.parameter,))
                merged[index] = Branch(known.values, parameter)
                break
        else:
            merged.append(branch)
    return tuple(merged)


def _exclusive(path: Path, other: Path) -> bool:
    """Whether two paths part at a common parent into branches that share no value."""
    for (parent, values), (other_parent, other_values) in zip(path, other, strict=False):
        if parent != other_parent:
            return False
        if not set(values) & set(other_values):
            return True
    return False
