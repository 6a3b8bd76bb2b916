"""Values of parameters that people write as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast, get_args

import typer

from dodona import Boolean, Categorical, Float, Int, Prior, Study, near
from dodona._space import Parameter, Sure, Value, all_parameters

# Removes a limit.
NONE = "none"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def read_values(study: Study, texts: Mapping[str, str]) -> dict[str, Value]:
    """Return the values of a study's parameters that texts stand for.

    Raises:
        ValueError: there is no such parameter, or the text is not of its kind.
    """
    known = all_parameters(study.space)
    for name in texts:
        if name not in known:
            raise ValueError(f"{name!r} is not a parameter of {study.display_name}; they are {', '.join(known)}")
    return {name: _value(name, known[name], text) for name, text in texts.items()}


def read_priors(study: Study, given: Sequence[str]) -> dict[str, Prior]:
    """Return the priors that texts such as "rate=3e-4,1e-3:very" stand for.

    Raises:
        ValueError: a text is not of this form, or the parameter cannot have such a value.
    """
    priors = {}
    for text in given:
        name, equals, rest = text.partition("=")
        values, _, sure = rest.rpartition(":")
        if sure not in get_args(Sure):
            # A colon may be part of a value.
            values, sure = rest, "fairly"
        if not equals or not values:
            raise ValueError(f"{text!r} is not a NAME=VALUE[,VALUE...][:{'|'.join(get_args(Sure))}]")
        found = [read_values(study, {name: value})[name] for value in values.split(",")]
        priors[name] = near(*found, sure=cast(Sure, sure))
    return priors


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


def limit_of(text: str, what: str = "trials") -> int | None:
    """Return a limit that is given as text; None for "none".

    Args:
        text: the limit.
        what: what it counts, for the error.

    Raises:
        ValueError: it is no integer.
    """
    if text == NONE:
        return None
    if not text.strip().isdecimal():
        raise ValueError(f"{text!r} is not a number of {what}; use an integer, or {NONE}")
    return int(text)


def seconds_of(text: str) -> float | None:
    """Return a duration such as "90s", "45min", "12h" or "3d" in seconds; None for "none".

    Raises:
        ValueError: it is no duration.
    """
    if text == NONE:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write it as in 90s, 45min, 12h or 3d, or use {NONE}")
    return float(match[1]) * _SECONDS[match[2]]


def moment_of(text: str) -> datetime | None:
    """Return a moment such as "2026-12-24T18:00", in the local zone unless it names one; None for "none".

    Raises:
        ValueError: it is no moment.
    """
    if text == NONE:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write it as in 2026-12-24T18:00, or use {NONE}") from None


def amount_of(text: str, what: str) -> float | None:
    """Return a number that is given as text; None for "none".

    Raises:
        ValueError: it is no number.
    """
    if text == NONE:
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what}: {text!r} is not a number; use one, or {NONE}") from None


def change_tags(
    study: Study, added: list[str] | None, removed: list[str] | None, before: Sequence[str], trial: int | None = None
) -> None:
    """Add and remove tags of a study or of one of its trials, and print its tags.

    Args:
        study: the study.
        added: tags to add.
        removed: tags to remove.
        before: the present tags.
        trial: the trial's number; None for the study.
    """
    after = [tag for tag in dict.fromkeys([*before, *(added or ())]) if tag not in (removed or ())]
    if after != list(before):
        study.set_tags(after, trial)
    what = study.display_name if trial is None else f"trial {trial} of {study.display_name}"
    typer.echo(f"{what}: {', '.join(after) or 'no tags'}")
