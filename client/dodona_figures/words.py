"""Numbers, durations and names as short text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from dodona_figures.records import Value

_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))


def number(value: float) -> str:
    """Return a number with five significant digits."""
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def shown(value: Value | None) -> str:
    """Return a value of a parameter; a dash where it is not active."""
    if value is None:
        return "–"
    return number(value) if isinstance(value, float) else str(value)


def short(name: str, most: int) -> str:
    """Return a name with at most `most` characters: its beginning and its end."""
    tail = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - tail]}…{name[-tail:]}"


def lasting(seconds: float) -> str:
    """Return a duration in a unit that is easy to read."""
    unit, length = next(((unit, length) for unit, length in _UNITS if seconds >= 3 * length), ("s", 1.0))
    return f"{seconds / length:.3g} {unit}"


def moment(seconds: float) -> str:
    """Return a time: "2026-05-04 13:20 UTC"."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def counted(count: int, what: str) -> str:
    """Return a number of things: "1 trial", "2 trials"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def listed(values: Iterable[str], between: str = ", ", most: int = 12) -> str:
    """Return values in one line; only the first ones of many."""
    every = list(values)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return between.join(every[:most]) + more
