"""Values of any library as Python's own: NumPy's scalars and arrays without dimensions, decimals, fractions, enums."""

from __future__ import annotations

import sys
from decimal import Decimal
from numbers import Integral, Real

from dodona._text import shortened

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
MAX_DOUBLE = sys.float_info.max


def plain(value: object) -> object:
    """`value` in Python's own type, if it is a scalar of NumPy or of what is like it, or a subclass of str."""
    if isinstance(value, str):
        # Not str(value), which gives the member's name of an enum.
        return str.__str__(value)
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def number(value: object) -> int | float | None:
    """`value` as an int or a float that a double can hold; None if it is none, as booleans, texts and NaN are not."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        found = int(value) if isinstance(value, Integral) else float(value)
    except (OverflowError, ValueError):
        return None
    return found if -MAX_DOUBLE <= found <= MAX_DOUBLE else None


def whole(value: object, field: str, low: int, high: int) -> int:
    """`value` as an int; a float without a fraction is one too.

    Args:
        value: what was given.
        field: its name, for the error.
        low: the least that is allowed.
        high: the most that is allowed.

    Raises:
        ValueError: it is something else.
    """
    found = number(value)
    if found is None or found != int(found) or not low <= found <= high:
        raise ValueError(f"{field}: {shown(value)} is no integer from {low} to {high}")
    return int(found)


def measured(value: object, field: str) -> float:
    """A measured value as a float; NaN and the infinities are taken, and so is all that has a `__float__`.

    Args:
        value: what was measured.
        field: its name, for the error.

    Raises:
        ValueError: it is no number, or one that no double can hold.
    """
    # float() would read texts: "False" is none of its words, but "nan" is.
    if not isinstance(value, str | bytes | bytearray):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            raise ValueError(f"{field}: {shown(value)} is beyond what a 64-bit float holds") from None
        except (TypeError, ValueError):
            pass
    raise ValueError(f"{field}: {shown(value)} is no number")


def shown(value: object) -> str:
    """The value for an error's text, however long it is."""
    try:
        return shortened(repr(value), 200)
    except ValueError:
        return f"an object of type {type(value).__name__} that is too long to be shown"
