"""Deduplication: suggest no point that was tried or is running."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dodona_server.algorithms.contract.algorithm import Request, Suggestion
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.algorithms.space.finite import small_grid
from dodona_server.domain.space import Value
from dodona_server.domain.trials.continuation import without_tuner_values

# How many proposals, and then how many random points, are drawn before a repeat is accepted.
MAX_PROPOSALS = 10
MAX_RANDOM = 100
REPLACED = "a random point, since the algorithm proposed points that had been tried"


class SeenPoints:
    """Points of a study so far, including those suggested in the same call.

    Args:
        request: has the space that is searched, and the trials.
    """

    def __init__(self, request: Request) -> None:
        self._space = request.problem.spec.space
        self._rng = request.rng
        self._points: list[Mapping[str, Value]] = [
            without_tuner_values(trial.parameters)
            for trials in (request.completed, request.stopped, request.pending)
            for trial in trials
        ]

    def __contains__(self, point: Mapping[str, Value]) -> bool:
        # For one question, comparing mappings one by one is faster than hashing thousands of them.
        return point in self._points

    def add(self, point: Mapping[str, Value]) -> None:
        """Add `point` to the points tried."""
        self._points.append(point)

    def new(self, propose: Callable[[], Mapping[str, Value]], reason: str) -> Suggestion:
        """Return a point that has not been tried, and add it to the points tried.

        Random points replace repeated proposals; in a small space, one of the points left does.

        Args:
            propose: returns a proposal, a different one at every call.
            reason: why a proposal is suggested.

        Returns:
            The first new proposal, or else a new random point; a repeat if the space is exhausted.
        """
        for attempt in range(MAX_PROPOSALS + MAX_RANDOM):
            point = propose() if attempt < MAX_PROPOSALS else sample(self._space, self._rng)
            if point not in self:
                break
        else:
            point = self._left() or point
        self.add(point)
        return Suggestion(point, reason if attempt < MAX_PROPOSALS else REPLACED)

    def _left(self) -> Mapping[str, Value] | None:
        """Return a point of a small space that has not been tried."""
        grid = small_grid(self._space)
        if grid is None:
            return None
        known = {frozenset(point.items()) for point in self._points}
        start = self._rng.randrange(grid.size)
        for step in range(grid.size):
            point = grid[(start + step) % grid.size]
            if frozenset(point.items()) not in known:
                return point
        return None
