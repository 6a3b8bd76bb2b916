"""First difference between two specs of studies."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple


class Difference(NamedTuple):
    """A difference between two specs: the path of a field, and what differs there: "is 0.1, not 1.0"."""

    field: str
    what: str


def first_difference(ours: object, theirs: object, path: str = "") -> Difference | None:
    """Return the first difference between two specs; None if they are equal.

    Args:
        ours: the spec that exists, or a part of it.
        theirs: the requested one.
        path: the path of both in the spec.
    """
    if ours == theirs:
        return None
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return _first_difference_of_lists(ours, theirs, path)
    if dataclasses.is_dataclass(ours) and type(ours) is type(theirs):
        for part in filter(lambda one: one.compare, dataclasses.fields(ours)):
            inner = f"{path}.{part.name}".strip(".")
            found = first_difference(getattr(ours, part.name), getattr(theirs, part.name), inner)
            if found:
                return found
    return Difference(path, f"is {_worded(ours)}, not {_worded(theirs)}")


def _first_difference_of_lists(ours: tuple[object, ...], theirs: tuple[object, ...], path: str) -> Difference | None:
    for index, (our, their) in enumerate(zip(ours, theirs, strict=False)):
        label = getattr(our, "id", index)
        if label != getattr(their, "id", index):
            return Difference(f"{path}[{index}]", f"is {_worded(our)}, not {_worded(their)}")
        found = first_difference(our, their, f"{path}[{label!r}]")
        if found:
            return found
    if len(ours) > len(theirs):
        return Difference(path, f"has {_worded(ours[len(theirs)])} as well")
    return Difference(path, f"lacks {_worded(theirs[len(ours)])}")


def _worded(value: object) -> str:
    if value is None:
        return "unset"
    return str(value) if isinstance(value, enum.Enum) else repr(getattr(value, "id", value))
