"""Reasons: texts for people, which decide over nothing; one that is too long is cut, never refused."""

from __future__ import annotations

# It may quote a whole file, and people read its beginning and its end.
MAX_REASON_LENGTH = 10_000
_GAP = " ... "


def shortened(reason: str) -> str:
    """The reason, or its beginning and its end if it has more than `MAX_REASON_LENGTH` characters."""
    if len(reason) <= MAX_REASON_LENGTH:
        return reason
    half = (MAX_REASON_LENGTH - len(_GAP)) // 2
    return f"{reason[:half]}{_GAP}{reason[-half:]}"
