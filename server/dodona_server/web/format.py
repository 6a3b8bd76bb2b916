"""Short text for numbers, times and names on a page."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from dodona_server.domain.space import Value

DIGITS = 5
# Characters that reorder text, hide it or are invisible: marks of direction, of width 0, and of control.
_INVISIBLE = {
    code: f"[U+{code:04X}]"
    for first, last in (
        (0x00, 0x08),
        (0x0B, 0x1F),
        (0x7F, 0x9F),
        (0xAD, 0xAD),
        (0x61C, 0x61C),
        (0x180E, 0x180E),
        (0x200B, 0x200B),  # the two that follow join letters and emoji
        (0x200E, 0x200F),
        (0x2028, 0x202E),
        (0x2060, 0x206F),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
    if code != ord("\r")
}
MINUTE, HOUR, DAY = 60, 3600, 86400


def number(value: float) -> str:
    """Return `value` with five significant digits: "0.98734", "123457", "1.2e-5"; integers in full."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    size = abs(value)
    if value != 0 and not 1e-4 <= size < 1e9:
        digits, exponent = f"{value:.{DIGITS - 1}e}".split("e")
        return f"{_shortest(digits, float(digits))}e{int(exponent)}"
    whole_digits = math.floor(math.log10(size)) + 1 if value else 1
    return _shortest(f"{value:.{max(0, DIGITS - whole_digits)}f}", value)


def _shortest(text: str, value: float) -> str:
    """Return `text` without trailing zeros, unless they show that `value` was rounded."""
    if "." not in text:
        return text
    stripped = text.rstrip("0").rstrip(".")
    return stripped if float(stripped) == value else text


def visible(value: Any) -> Any:
    """Return text with invisible marks as "[U+202E]"; anything else, and HTML, unchanged."""
    return value.translate(_INVISIBLE) if type(value) is str else value


def short(name: str, limit: int = 40) -> str:
    """Return a name of at most `limit` characters, with its end, in which names often differ."""
    tail = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[: limit - 1 - tail]}…{name[-tail:]}"


def shown(value: Value) -> str:
    """Return the value of a parameter or a metric as text."""
    return value if isinstance(value, str) else number(value)


def moment(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as "2026-08-01 12:34:56 UTC"; a script then shows it from now."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine_time(seconds: float) -> str:
    """Return the same time for the `datetime` attribute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: "0.42 s", "3 min 12 s", "2 h 05 min"."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < MINUTE:
        digits = 2 if 0 < seconds < 1 else 1 if 1 <= seconds < 10 else 0
        return f"{math.floor(seconds * 10**digits) / 10**digits:.{digits}f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE):02} s"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE):02} min"
    return f"{int(seconds // DAY)} d {int(seconds % DAY // HOUR)} h"


def hours(seconds: float) -> str:
    """Return a duration in minutes, or from two hours on in hours: "75 min", "41.5 h"."""
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def money(amount: float) -> str:
    """Return an amount of a currency: "0.03", "1,250.00"."""
    return f"{amount:,.2f}"


def size(count: int) -> str:
    """Return a number of bytes in its largest unit: "512 B", "1.5 MiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def latency(seconds: float) -> str:
    """Return a short duration: "0.4 ms", "12 ms", "1.3 s"."""
    if not math.isfinite(seconds):
        return "more"
    if seconds >= 1:
        return duration(seconds)
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def rate(value: float) -> str:
    """Return how often something happens, with two or three digits: "0.25", "7.5", "1,200"."""
    return f"{value:,.0f}" if value >= 100 else number(round(value, 1 if value >= 1 else 2))


def breakable(name: str) -> Markup:
    """Return a name that may continue on another line after each of its marks."""
    return Markup(re.sub(r"([_./:-])", r"\1<wbr>", str(escape(visible(name)))))  # noqa: S704 - it is escaped  # nosec B704


FILTERS = {
    "breakable": breakable,
    "rate": rate,
    "bytes": size,
    "latency": latency,
    "counted": lambda count: f"{count:,}",
    "number": number,
    "shown": shown,
    "short": short,
    "moment": moment,
    "machine_time": machine_time,
    "duration": duration,
    "study_path": lambda name: f"/studies/{name.parent.project}/{name.parent.location}/{name.study_id}",
}
