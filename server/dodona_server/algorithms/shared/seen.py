"""Deduplication: suggest no point that was tried or is running."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from dodona_server.algorithms.simple.random_search import sample
from dodona_server.algorithms.space.finite import small_grid
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.trial import Trial

# How many proposals, and then how many random points, are drawn before a repeat is accepted.
MAX_PROPOSALS = 10
MAX_RANDOM = 100


class SeenPoints:
    """The points of a study so far, including those suggested in the same call.

    Args:
        space: what is searched.
        completed: the finished trials.
        pending: the unfinished ones.
    """

    def __init__(self, space: SearchSpace, completed: Sequence[Trial], pending: Sequence[Trial]) -> None:
        self._space = space
        self._points: list[Mapping[str, Value]] = [
            without_tuner_values(trial.parameters) for trials in (completed, pending) for trial in trials
        ]

    def __contains__(self, point: Mapping[str, Value]) -> bool:
        # For one question, comparing mappings one by one is faster than hashing thousands of them.
        return point in self._points

    def add(self, point: Mapping[str, Value]) -> None:
        """Add `point` to the points tried."""
        self._points.append(point)

    def new(self, propose: Callable[[], Mapping[str, Value]], rng: random.Random) -> Mapping[str, Value]:
        """Return a point that has not been tried, and add it to the points tried.

        Args:
            propose: returns a proposal, a different one at every call.
            rng: for random points that replace repeated proposals; in a small space, one of the points left.

        Returns:
            The first new proposal, or else a new random point; a repeat if the space is exhausted.
        """
        for attempt in range(MAX_PROPOSALS + MAX_RANDOM):
            point = propose() if attempt < MAX_PROPOSALS else sample(self._space, rng)
            if point not in self:
                break
        else:
            point = self._left(rng) or point
        self.add(point)
        return point

    def _left(self, rng: random.Random) -> Mapping[str, Value] | None:
        """Return a point of a small space that has not been tried."""
        grid = small_grid(self._space)
        if grid is None:
            return None
        known = {frozenset(point.items()) for point in self._points}
        start = rng.randrange(grid.size)
        for step in range(grid.size):
            point = grid[(start + step) % grid.size]
            if frozenset(point.items()) not in known:
                return point
        return None


# The prefix of the parameters that Hyperband adds, under KerasTuner's names.
TUNER_PREFIX = "tuner/"


def without_tuner_values(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return a trial's parameters without the `tuner/` ones."""
    if "tuner/epochs" not in values:
        return values
    return {name: value for name, value in values.items() if not name.startswith(TUNER_PREFIX)}
