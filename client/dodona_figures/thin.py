"""Choose some of many points."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def thin(count: int, important: Collection[int], most: int) -> list[int]:
    """Return at most `most` of the indexes below `count`, in order: the ends, the important ones, the rest evenly.

    Args:
        count: how many there are.
        important: those to keep; if they are more than half of `most`, evenly chosen ones of them.
        most: at least 4.
    """
    if count <= most:
        return list(range(count))
    kept = set(_evenly(sorted(important), most // 2))
    return sorted(kept | set(_evenly(range(count), most - len(kept))))


def _evenly(items: Sequence[int], most: int) -> list[int]:
    """Return `most` of the items, evenly chosen, with the first and the last; all of them if there are no more."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]
