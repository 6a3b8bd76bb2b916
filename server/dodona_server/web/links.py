"""Addresses of a page: each state of it, such as a filter, is part of its address."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

Choice = TypeVar("Choice", bound=enum.StrEnum)


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses that differ from the present one in some of the query's fields.

    Args:
        path: of the page.
        query: the fields of its query that are not the default; several values of a field are a list.
    """

    path: str
    query: Mapping[str, str | Sequence[str]]

    def to(self, part: str = "", **changes: str) -> str:
        """Return the address with these fields changed; an empty value is the default; `part` is an element's id."""
        query = {name: value for name, value in {**self.query, **changes}.items() if value}
        return self.path + (f"?{urlencode(query, doseq=True)}" if query else "") + (f"#{part}" if part else "")

    def fields(self, *omitted: str) -> list[tuple[str, str]]:
        """Return name and value of the fields of the query, each value once, for a form that sets those `omitted`."""
        kept = {name: value for name, value in self.query.items() if value and name not in omitted}
        return [(name, one) for name, value in kept.items() for one in ([value] if isinstance(value, str) else value)]


def chosen(given: str, default: Choice) -> Choice:
    """Return the choice in a query; the default if it is none of the choices."""
    choices = type(default)
    return choices(given) if given in set(choices) else default
