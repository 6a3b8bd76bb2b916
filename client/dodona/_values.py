"""Scalars of other libraries as Python's own: of NumPy, zero-dimensional arrays, decimals, fractions, enums."""

from __future__ import annotations

import sys
from decimal import Decimal
from numbers import Integral, Real

from dodona._text import shortened

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
MAX_DOUBLE = sys.float_info.max


def plain(value: object) -> object:
    """Return a NumPy-like scalar, or an instance of a subclass of str, in Python's own type."""
    if isinstance(value, str):
        # Not str(value), which would return an enum member's name.
        return str.__str__(value)
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def number(value: object) -> int | float | None:
    """Return `value` as an int or a float that a double can hold; None for booleans, texts, NaN and anything else."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        found = int(value) if isinstance(value, Integral) else float(value)
    except (OverflowError, ValueError):
        return None
    return found if -MAX_DOUBLE <= found <= MAX_DOUBLE else None


def whole(value: object, field: str, low: int, high: int) -> int:
    """Return `value` as an int; a float without a fraction counts.

    Args:
        value: the value.
        field: its name, for the error.
        low: the lowest allowed value.
        high: the highest allowed value.

    Raises:
        ValueError: it is not an integer, or is out of range.
    """
    found = number(value)
    if found is None or found != int(found) or not low <= found <= high:
        raise ValueError(f"{field}: {shown(value)} is not an integer from {low} to {high}")
    return int(found)


def measured(value: object, field: str) -> float:
    """Return a measured value as a float; NaN, infinities and any object with `__float__` are accepted.

    Args:
        value: what was measured.
        field: its name, for the error.

    Raises:
        ValueError: it is not a number, or a double cannot hold it.
    """
    # float() would also parse texts such as "nan".
    if not isinstance(value, str | bytes | bytearray):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            raise ValueError(f"{field}: {shown(value)} does not fit into a 64-bit float") from None
        except (TypeError, ValueError):
            pass
    raise ValueError(f"{field}: {shown(value)} is not a number")


def shown(value: object) -> str:
    """Return the value for an error's text, however long it is."""
    try:
        return shortened(repr(value), 200)
    except ValueError:
        return f"an object of type {type(value).__name__} that is too long to be shown"
