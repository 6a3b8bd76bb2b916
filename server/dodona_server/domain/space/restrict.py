"""Restrict a parameter and those below it to given values."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space.kinds import Categorical, Discrete, Double, Integer, Kind, Value
from dodona_server.domain.space.tree import Branch, Parameter


def check_any(parameters: Sequence[Parameter], value: object) -> None:
    """Refuse a value that none of the parameters, all with the same name, can have."""
    for index, parameter in enumerate(parameters, start=1):
        try:
            with inside(f"parameters[{parameter.id!r}]"):
                parameter.kind.check(value)
        except InvalidArgument:
            if index == len(parameters):
                raise
        else:
            return


def restricted(parameter: Parameter, fixed: Mapping[str, object]) -> Parameter:
    """Return the parameter with only the values and branches that `fixed` allows.

    Raises:
        InvalidArgument: nothing is left.
    """
    kind = parameter.kind
    if parameter.id in fixed:
        with inside(f"parameters[{parameter.id!r}]"):
            value = kind.check(fixed[parameter.id])
        below = tuple(Branch((value,), restricted(child, fixed)) for child in parameter.active_branches(value))
        return Parameter(parameter.id, _only(kind, value), below, parameter.metadata)
    possible: list[Branch] = []
    excluded: set[Value] = set()
    for branch in parameter.branches:
        try:
            possible.append(Branch(branch.values, restricted(branch.parameter, fixed)))
        except InvalidArgument as error:
            # A name may appear in several branches with different ranges: exclude the values that lead here.
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
    """Return the kind without the excluded values; None if none is left."""
    if isinstance(kind, Double):
        return kind
    if isinstance(kind, Integer):
        # A range has no gaps: take the longest part without an excluded value.
        ends = sorted({kind.min_value - 1, *(int(value) for value in excluded), kind.max_value + 1})
        low, high = max(itertools.pairwise(ends), key=lambda pair: pair[1] - pair[0])
        return Integer(low + 1, high - 1, kind.scale) if high - low > 1 else None
    values = tuple(value for value in kind.values if value not in excluded)
    return replace(kind, values=values, default_value=None) if values else None  # type: ignore[arg-type]


def _only(kind: Kind, value: Value) -> Kind:
    """Return the kind with `value`, which is already checked, as its only value."""
    match kind:
        case Double():
            return Double(float(value), float(value), kind.scale)
        case Integer():
            return Integer(int(value), int(value), kind.scale)
        case Discrete():
            return Discrete((value,), kind.scale)  # type: ignore[arg-type]
        case Categorical():
            return Categorical((str(value),))
