"""Parzen estimators over a tree of conditions: mixtures with one kernel for each trial and one for the prior.

A kernel is a product over the dimensions. On an ordered axis it is a Gaussian around the trial's position, truncated to
the unit interval and, where values have cells, averaged over the cell. On a categorical axis it puts most weight on the
trial's value. The width of a Gaussian follows from its neighbors among the kernels (Bergstra et al., 2011), in each
dimension separately. Densities are relative to the uniform one, so a dimension that a trial lacks contributes 1.

Symbols: n kernels, the prior last; d dimensions; c candidates. `mean`, `width` are (n, d), NaN where the trial lacks
the dimension; `low`, `high` are (c, d), the cells of the candidates, NaN where the dimension is inactive; `weight`
is (n,), of sum 1. `width` is the standard deviation of an ordered axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from dodona_server.algorithms.space.tree import Cells, Dimension, Tree
from dodona_server.domain.space import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# The narrowest kernel has the width 1 / (n + 1), with many trials 1 / _MOST_STEPS, and at least the part _LEAST_CELL of
# an average cell: otherwise a value's neighbors would never be tried.
_MOST_STEPS = 100
_LEAST_CELL = 0.5
# The newest trials have full weight, older ones less, since the search has moved on.
_FULL_WEIGHT = 25
# Cells narrower than this part of a kernel count as points: the difference of two distribution values would be
# rounding error.
_NARROW = 1e-3
_TINY = 1e-300
_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


class Mixture:
    """Estimated density of some trials.

    Args:
        tree: the space.
        trials: their cells by dimension, the oldest first.
    """

    def __init__(self, tree: Tree, trials: Sequence[Cells]) -> None:
        self._tree = tree
        n, d = len(trials), len(tree.dimensions)
        self.mean = np.full((n + 1, d), np.nan)  # the prior's row stays NaN: it is uniform
        for row, cells in enumerate(trials):
            for index, (low, high) in cells.items():
                self.mean[row, index] = (low + high) / 2
        least = [_LEAST_CELL / (dimension.axis.levels or math.inf) for dimension in tree.dimensions]
        self.width = np.maximum(widths(self.mean[:n]), least)
        self.weight = _weights(n)
        # The mass of each Gaussian inside the unit interval.
        self._inside = ndtr((1 - self.mean) / self.width) - ndtr(-self.mean / self.width)

    def log_density(self, low: Floats, high: Floats) -> Floats:
        """Return the logarithm of the density (c,) at candidates with the cells `low` to `high`, (c, d)."""
        total = np.broadcast_to(np.log(self.weight), (len(low), len(self.weight))).copy()  # (c, n)
        for dimension in self._tree.dimensions:
            column = low[:, dimension.index]
            rows = np.flatnonzero(~np.isnan(column))
            if len(rows) and dimension.axis.levels != 1:
                total[rows] += self._log_kernel(dimension, column[rows], high[rows, dimension.index])
        result: Floats = logsumexp(total, axis=1)
        return result

    def _log_kernel(self, dimension: Dimension, low: Floats, high: Floats) -> Floats:
        """Return (c, n): the log kernels of one dimension; 0 where the trial lacks it."""
        mean = self.mean[:, dimension.index]
        if not dimension.axis.ordered:
            found = self._log_category(dimension.axis.levels or 1, mean, (low + high) / 2)
        else:
            width, inside = self.width[:, dimension.index], self._inside[:, dimension.index]
            cell = high - low
            if cell.max() > _NARROW * width.min():
                upper, lower = (high[:, None] - mean) / width, (low[:, None] - mean) / width
                # Flip both to the side where the distribution function is small and exact.
                flip = lower > 0
                upper, lower = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
                mass = ndtr(upper) - ndtr(lower)
                found = np.log(np.maximum(mass, _TINY)) - np.log(np.maximum(cell, _TINY))[:, None]
                points = cell <= _NARROW * width.min()
                found[points] = _log_gauss((low + high)[points] / 2, mean, width)
            else:
                found = _log_gauss((low + high) / 2, mean, width)
            found = found - np.log(np.maximum(inside, _TINY))
        result: Floats = np.where(np.isnan(mean), 0.0, found)
        return result

    def _log_category(self, levels: int, mean: Floats, place: Floats) -> Floats:
        """Return (c, n): the log probability of the candidate's category: the trial's own, less the prior's share."""
        n = len(mean) - 1
        own = np.floor(mean * levels) == np.floor(place * levels)[:, None]
        # Laplace's rule of one kernel among n + 1.
        base = 1 / (n + 1)
        probability = np.where(own, (1 + base / levels) / (1 + base), base / levels / (1 + base))
        result: Floats = np.log(probability * levels)
        return result

    def draw(self, rng: np.random.Generator) -> dict[str, Value]:
        """Return a point drawn from the mixture: near one trial, or from the prior where that lacks a dimension."""
        chosen = int(rng.choice(len(self.weight), p=self.weight))
        mean = self.mean[chosen]
        n = len(self.weight) - 1

        def choose(dimension: Dimension) -> Value:
            axis, u = dimension.axis, float(rng.random())
            center = float(mean[dimension.index])
            if math.isnan(center):
                return axis.value(u)
            if not axis.ordered:
                # As in `_log_category`: the trial's own value, less the prior's share.
                return axis.value(u) if rng.random() < 1 / (n + 2) else axis.value(center)
            return axis.value(_cut_gauss(center, float(self.width[chosen, dimension.index]), u))

        return self._tree.point(choose)


def _log_gauss(place: Floats, mean: Floats, width: Floats) -> Floats:
    result: Floats = -0.5 * ((place[:, None] - mean) / width) ** 2 - np.log(width) - _LOG_ROOT_TWO_PI
    return result


def _cut_gauss(mean: float, width: float, u: float) -> float:
    """Return the quantile `u` of a Gaussian truncated to [0, 1]."""
    below, above = ndtr(-mean / width), ndtr((1 - mean) / width)
    return min(max(float(mean + width * ndtri(below + u * (above - below))), 0.0), 1.0)


def widths(mean: Floats) -> Floats:
    """Return the widths (n + 1, d) of the kernels around `mean`, (n, d): the distance to the farther neighbor.

    A position without a neighbor on either side has the ends of the interval as neighbors. The last row is the prior's,
    which needs no width.
    """
    n, d = mean.shape
    result = np.full((n + 1, d), 1.0)
    for column in range(d):
        known = np.flatnonzero(~np.isnan(mean[:, column]))
        if not len(known):
            continue
        order = known[np.argsort(mean[known, column], kind="stable")]
        gaps = np.diff(np.concatenate([[0.0], mean[order, column], [1.0]]))
        width = np.maximum(gaps[:-1], gaps[1:])
        if len(order) > 1:
            width[0], width[-1] = gaps[1], gaps[-2]
        result[order, column] = np.clip(width, 1 / min(_MOST_STEPS, len(order) + 2), 1.0)
    return result


def _weights(n: int) -> Floats:
    """Return the weights (n + 1,), of sum 1: full for the newest and the prior, falling to 1 / n for the oldest."""
    ramp = np.linspace(1 / n, 1.0, n - _FULL_WEIGHT) if n > _FULL_WEIGHT else np.empty(0)
    weight = np.concatenate([ramp, np.ones(min(n, _FULL_WEIGHT) + 1)])
    result: Floats = weight / weight.sum()
    return result


class Parzen:
    """Density of the good trials against that of the others.

    Args:
        tree: the space.
        good: the good trials' cells by dimension.
        bad: the others'.
        seed: for the candidates.
    """

    def __init__(self, tree: Tree, good: Sequence[Cells], bad: Sequence[Cells], seed: int) -> None:
        self._tree = tree
        self._good = Mixture(tree, good)
        self._bad_cells = list(bad)
        self._bad = Mixture(tree, bad)
        self._rng = np.random.default_rng(seed)

    def propose(self, candidates: int) -> Mapping[str, Value]:
        """Return the point with the largest ratio of the densities, out of `candidates` draws from the good one."""
        points = [self._good.draw(self._rng) for _ in range(candidates)]
        low = np.full((candidates, len(self._tree.dimensions)), np.nan)
        high = low.copy()
        for row, point in enumerate(points):
            for index, (lower, upper) in self._tree.cells(point).items():
                low[row, index], high[row, index] = lower, upper
        gain = self._good.log_density(low, high) - self._bad.log_density(low, high)
        return points[int(np.argmax(gain))]

    def avoid(self, cells: Cells) -> None:
        """Add a point to the bad ones, because it will be running."""
        self._bad_cells.append(cells)
        self._bad = Mixture(self._tree, self._bad_cells)
