"""Read the options of an algorithm from a study's spec."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.studies.study import Option, StudySpec


def check_names(spec: StudySpec, allowed: Collection[str]) -> None:
    """Refuse options that the algorithm does not have.

    Raises:
        InvalidArgument: one is not among `allowed`.
    """
    for name in spec.algorithm_options:
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidArgument(f"{name!r} is not an option of {spec.algorithm}; it has {known}", "algorithm_options")


def no_options(spec: StudySpec) -> None:
    """Refuse all options; see `check_names`."""
    check_names(spec, ())


def integer(spec: StudySpec, name: str, default: int, low: int, high: int) -> int:
    """Return the value of an option that is a whole number.

    Args:
        spec: the study's.
        name: of the option.
        default: its value if the spec does not have it.
        low: the smallest value allowed.
        high: the largest.

    Raises:
        InvalidArgument: it is not a whole number, or out of range.
    """
    value = spec.algorithm_options.get(name, default)
    # A client may write 5 as 5.0: JSON has one type of number.
    if isinstance(value, bool | str) or value != value // 1 or not low <= value <= high:
        _refuse(name, value, f"a whole number from {low} to {high}")
    return int(value)


def real(spec: StudySpec, name: str, default: float, low: float, high: float) -> float:
    """Return the value of an option that is a number; see `integer`."""
    value = spec.algorithm_options.get(name, default)
    if isinstance(value, bool | str) or not low <= value <= high:
        _refuse(name, value, f"a number from {low:g} to {high:g}")
    return float(value)


def choice(spec: StudySpec, name: str, default: str, allowed: Sequence[str]) -> str:
    """Return the value of an option that is one of the allowed names; see `integer`."""
    value = spec.algorithm_options.get(name, default)
    if value not in allowed:
        _refuse(name, value, f"one of {', '.join(allowed)}")
    return str(value)


def _refuse(name: str, value: Option, wanted: str) -> NoReturn:
    raise InvalidArgument(f"{value!r} is not {wanted}", f"algorithm_options.{name}")
