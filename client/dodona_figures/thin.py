"""Choose some of many points."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dodona_figures.records import Trial


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


def some_results(found: Sequence[tuple[Trial, float]], sign: float, most: int | None) -> list[tuple[Trial, float]]:
    """Return at most `most` of the results by number, a tenth of them the best ones."""
    if most is None or len(found) <= most:
        return list(found)
    ranked = sorted(range(len(found)), key=lambda index: -sign * found[index][1])
    return [found[index] for index in thin(len(found), set(ranked[: most // 10]), most)]


def _evenly(items: Sequence[int], most: int) -> list[int]:
    """Return `most` of the items, evenly chosen, with the first and the last; all of them if there are no more."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]
