"""Fleets: how many workers each study has, and how long its trials are."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

SIGMA = 1.0
LONGEST_SECONDS = 24 * 3600.0
SHORTEST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Study:
    """A study and its workers.

    Args:
        workers: how many.
        median_seconds: of the length of a trial, which is log-normal.
        reports: the number of reports in a trial that has as many seconds or more.
        sigma: the standard deviation of the natural logarithm of a trial's length.
    """

    workers: int
    median_seconds: float
    reports: int
    sigma: float = SIGMA

    def trial(self, rng: random.Random) -> tuple[float, int]:
        """Return the length of a trial in seconds, and its number of reports, at most one a second."""
        return self._limited(self.median_seconds * math.exp(rng.gauss(0, self.sigma)))

    def running(self, rng: random.Random) -> tuple[float, int]:
        """Return the same of a trial that runs at a random moment: long ones are more likely to."""
        return self._limited(self.median_seconds * math.exp(self.sigma**2 + rng.gauss(0, self.sigma)))

    def _limited(self, seconds: float) -> tuple[float, int]:
        seconds = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, seconds))
        return seconds, max(1, min(self.reports, int(seconds)))


SHORT, MEDIUM, LONG = (60.0, 10), (15 * 60.0, 30), (2 * 3600.0, 100)
# The studies from the largest on, again and again: two of ten have short trials, five medium ones, three long ones.
PATTERN = (MEDIUM, SHORT, LONG, MEDIUM, MEDIUM, LONG, MEDIUM, SHORT, MEDIUM, LONG)


def fleet(workers: int, studies: int) -> list[Study]:
    """Return studies whose sizes follow Zipf's law: the second has half as many workers as the first, and so on.

    Args:
        workers: in all; each study has at least one.
        studies: how many, at most as many as workers.
    """
    weights = [1 / rank for rank in range(1, studies + 1)]
    spare = workers - studies
    sizes = [1 + int(spare * weight / sum(weights)) for weight in weights]
    sizes[0] += workers - sum(sizes)
    return [Study(size, *PATTERN[rank % len(PATTERN)]) for rank, size in enumerate(sizes)]
