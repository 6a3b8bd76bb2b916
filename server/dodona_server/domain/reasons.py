"""Reasons: texts for people. No decision depends on them, so a long one is cut and never refused."""

from __future__ import annotations

# A reason may quote a whole file; people read its beginning and its end.
MAX_REASON_LENGTH = 10_000
_GAP = " ... "


def shortened(reason: str) -> str:
    """Return the reason; if it has more than `MAX_REASON_LENGTH` characters, only its beginning and its end."""
    if len(reason) <= MAX_REASON_LENGTH:
        return reason
    half = (MAX_REASON_LENGTH - len(_GAP)) // 2
    return f"{reason[:half]}{_GAP}{reason[-half:]}"
