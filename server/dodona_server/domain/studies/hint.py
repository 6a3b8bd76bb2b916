"""Hints: values of a parameter that somebody believes to be good, and how sure of it they are."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import SearchSpace, Value

MAX_VALUES = 20


class Sure(enum.StrEnum):
    """Confidence in a hint."""

    VAGUELY = "VAGUELY"
    FAIRLY = "FAIRLY"
    VERY = "VERY"


@dataclass(frozen=True, slots=True)
class Hint:
    """Values near which a parameter is believed to be best: one, or several that are equally likely."""

    values: tuple[Value, ...]
    sure: Sure = Sure.FAIRLY

    def __str__(self) -> str:
        return f"near {' or '.join(map(str, self.values))} ({self.sure.lower()})"


def checked_hints(space: SearchSpace, hints: Mapping[str, Hint]) -> dict[str, Hint]:
    """Return the hints with values in the parameters' own types, in the order of the parameters.

    Raises:
        InvalidArgument: there is no such parameter, or it cannot have one of the values.
    """
    checked: dict[str, Hint] = {}
    for _, parameter in space.walk():
        hint = hints.get(parameter.id)
        if hint is None or parameter.id in checked:
            continue
        with inside(f"parameters[{parameter.id!r}]"), inside("prior"):
            if not hint.values:
                raise InvalidArgument("is empty; at least one value is needed", "values")
            if len(hint.values) > MAX_VALUES:
                raise InvalidArgument(f"{len(hint.values)} values; {MAX_VALUES} are allowed", "values")
            with inside("values"):
                checked[parameter.id] = Hint(tuple(parameter.kind.check(value) for value in hint.values), hint.sure)
    unknown = hints.keys() - checked.keys()
    if unknown:
        raise InvalidArgument(f"{min(unknown)!r} is not a parameter of the study", "priors")
    return checked
