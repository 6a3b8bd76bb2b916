"""Deduplication: the points tried, and those left in a finite space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dodona_server.algorithms.gp.data.encoding import Encoding, Point
from dodona_server.domain.space import Value

DRAWS = 1000


class SeenPoints:
    """Points of all trials.

    Args:
        encoding: the space's.
        points: of the trials, including those with parameters that the space does not have.
    """

    def __init__(self, encoding: Encoding, points: Sequence[Point]) -> None:
        self._encoding = encoding
        # A list, not a set: for one question, comparing a point with all costs less than hashing all.
        self._points: list[Point] = list(points)

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self._points)

    def __contains__(self, point: Point) -> bool:
        """Return whether `point` was tried."""
        return point in self._points

    def add(self, point: Point) -> None:
        """Add `point` to the points tried."""
        self._points.append(point)

    def left(self, most: int) -> list[dict[str, Value]] | None:
        """Return the points not tried yet; None if the space has more than `most` points."""
        if self._encoding.points(most) is None:
            return None
        tried = {frozenset(point.items()) for point in self._points}
        return [point for point in self._encoding.all_points() if frozenset(point.items()) not in tried]

    def another(self, generator: np.random.Generator) -> dict[str, Value] | None:
        """Return a random point not tried yet; None if there is none."""
        left = self.left(2 * len(self._points) + DRAWS)
        if left is not None:
            return left[generator.integers(len(left))] if left else None
        for _ in range(DRAWS):
            point = self._encoding.decode(self._encoding.spread(generator.random((1, self._encoding.size)))[0])
            if point not in self:
                break
        return point
