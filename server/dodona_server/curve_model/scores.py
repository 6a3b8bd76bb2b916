"""Normal scores of values at a rung, with the trials in mind that did not get there.

The score of a trial says where it would stand among all trials if none had been stopped. Trials stop because they are
bad, so those that reach a late rung are a selection; the others take part with the scores that are expected of them
(the idea of Efron's redistribution for censored data, 1967).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from dodona_server.curve_model.curves import Array

_GRID = np.linspace(-4.0, 4.0, 81)


@dataclass(frozen=True, slots=True)
class Scale:
    """The scores of the values at a rung.

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
    """Return the scores of values.

    Args:
        values: of the trials that reached the rung; at least one.
        means: of the scores expected of the other trials.
        deviations: of these.
    """
    distinct, counts = np.unique(values, return_counts=True)
    others = ndtr((_GRID[:, None] - means) / deviations).sum(axis=1)
    # How many of the trials that reached the rung have a score below each point of the grid.
    below = np.maximum.accumulate((len(values) + len(means)) * ndtr(_GRID) - others)
    below = below - below[0] + 1e-9 * np.arange(len(_GRID))
    scores = np.interp(np.cumsum(counts) - counts / 2, below * (len(values) / below[-1]), _GRID)
    return Scale(distinct, scores)
