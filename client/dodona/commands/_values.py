"""Values of parameters that people write as text."""

from __future__ import annotations

from collections.abc import Mapping

from dodona import Boolean, Categorical, Float, Int, Study
from dodona._space import Parameter, Space, Value


def read_values(study: Study, texts: Mapping[str, str]) -> dict[str, Value]:
    """Return the values of a study's parameters that texts stand for.

    Raises:
        ValueError: there is no such parameter, or the text is not of its kind.
    """
    known = all_parameters(study.space)
    for name in texts:
        if name not in known:
            raise ValueError(f"{name!r} is no parameter of {study.display_name}; they are {', '.join(known)}")
    return {name: _value(name, known[name], text) for name, text in texts.items()}


def all_parameters(space: Space) -> dict[str, Parameter]:
    """Return all parameters of a space by name, with those that depend on others."""
    found = dict(space)
    for parameter in space.values():
        for children in parameter.children.values():
            found |= all_parameters(children)
    return found


def _value(name: str, parameter: Parameter, text: str) -> Value:
    try:
        match parameter:
            case Categorical():
                return text
            case Boolean():
                return {"true": True, "false": False}[text.lower()]
            case Int():
                return int(text)
            case Float():
                return float(text)
            case _:
                number = float(text)
                return int(number) if number.is_integer() else number
    except (KeyError, ValueError):
        kind = "true or false" if isinstance(parameter, Boolean) else "a number"
        raise ValueError(f"{name}={text}: use {kind}") from None
