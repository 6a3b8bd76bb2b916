"""Validation errors in the protocol's words: pydantic's own texts name Python classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

# The longest value that is quoted in full.
_MAX_SHOWN = 200
# The last parts of pydantic's location of a field with several possible types.
_CHOICES = {"bool", "int", "float", "str"}

_WORDS = {
    "missing": "is missing",
    "string_type": "{value} is not text",
    "string_unicode": "{value} is not text in UTF-8",
    "string_too_long": "has more than {max_length} characters, the maximum",
    "bool_type": "{value} is neither true nor false",
    "bool_parsing": "{value} is neither true nor false",
    "int_type": "{value} is not an integer",
    "int_parsing": "{value} is not an integer",
    "int_parsing_size": "{value} is too large",
    "int_from_float": "{value} is not an integer",
    "float_type": "{value} is not a number",
    "float_parsing": "{value} is not a number",
    "finite_number": "{value} is not finite",
    "greater_than_equal": "{value} is below {ge}",
    "less_than_equal": "{value} is above {le}",
    "list_type": "{value} is not a list",
    "dict_type": "{value} is not an object",
    "dataclass_type": "{value} is not an object",
    "model_type": "{value} is not an object",
    "model_attributes_type": "{value} is not an object",
}


def problem_of(errors: Sequence[Mapping[str, Any]], field: str = "") -> str:
    """Return the first error as text, after the name of its field.

    Args:
        errors: pydantic's list.
        field: the path of the message; empty for a whole request.
    """
    first = errors[0]
    place = tuple(first["loc"])
    problem = _problem(first)
    if place and place[-1] in _CHOICES and len(errors) > 1 and tuple(errors[1]["loc"])[:-1] == place[:-1]:
        place = place[:-1]
        problem = f"{_shown(first['input'])} is neither a number nor a text, nor true or false"
    for part in place:
        field += f"[{part}]" if isinstance(part, int) else f".{part}"
    field = field.lstrip(".")
    return f"{field}: {problem}" if field else problem


def problem_in(error: ValidationError, field: str = "") -> str:
    """Return the same text for pydantic's exception."""
    return problem_of(error.errors(include_url=False), field)


def _problem(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if "error" in context:  # the protocol's own validators
        return str(context["error"])
    words = _WORDS.get(error["type"])
    if words is None:
        return str(error["msg"])
    return words.format(value=_shown(error["input"]) if "{value}" in words else "", **context)


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:
        return "an integer of thousands of digits"
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN // 2]} ... {shown[-_MAX_SHOWN // 2 :]}"
