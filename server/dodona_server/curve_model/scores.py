"""Normal scores of values at a rung: where a trial stands among all trials, also those that did not get there.

Trials stop because they are bad, so those that reach a late rung are a selection: the worst of them is not the worst of
all. What is expected of them as a group says where the group stands among all, and their values say in which order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from dodona_server.curve_model.curves import Array

_GRID = np.linspace(-4.0, 4.0, 81)


@dataclass(frozen=True, slots=True)
class Scale:
    """Scores of the values at a rung.

    Args:
        values: without repetition, increasing.
        scores: one for each value.
    """

    values: Array
    scores: Array

    def score(self, value: float) -> float:
        """Return the score of a value, which another trial has there."""
        # A value beyond all others is a rank further, however far it is.
        if value > self.values[-1]:
            return float(self.scores[-1]) + self._beyond
        if value < self.values[0]:
            return float(self.scores[0]) - self._beyond
        return float(np.interp(value, self.values, self.scores))

    def scores_of(self, values: Array) -> Array:
        """Return the scores of values that are among its own."""
        return np.interp(values, self.values, self.scores)

    def value(self, score: float) -> float:
        """Return the value of a score; beyond the known scores, on the line through the last known ones."""
        if self.scores[0] <= score <= self.scores[-1] or len(self.scores) < 2:
            return float(np.interp(score, self.scores, self.values))
        # Through a quarter of them: two neighbours may differ by chance.
        quarter = max(1, len(self.scores) // 4)
        edge, inner = (0, quarter) if score < self.scores[0] else (-1, -1 - quarter)
        share = (score - self.scores[edge]) / (self.scores[edge] - self.scores[inner])
        beyond = float(self.values[edge] + share * self.values[edge] - share * self.values[inner])
        return beyond if np.isfinite(beyond) else float(self.values[edge])

    @property
    def _beyond(self) -> float:
        return 0.25


def scale_of(values: Array, means: Array, deviations: Array) -> Scale:
    """Return the scores of values: the quantiles of what is expected of their trials, in the order of the values.

    Args:
        values: of the trials that reached the rung; at least one.
        means: of the scores expected of these trials, before their values are known.
        deviations: of these; above 0.
    """
    distinct, counts = np.unique(values, return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / len(values)
    # The share of the trials that is expected below each point of the grid.
    below = ndtr((_GRID[:, None] - means) / deviations).mean(axis=1) + 1e-12 * np.arange(len(_GRID))
    return Scale(distinct, np.interp(shares, below, _GRID))
