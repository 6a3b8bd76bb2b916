"""Output warping: transform a metric's values for a Gaussian process.

Losses have heavy tails: a diverged training is worse than a good one by orders of magnitude, and standardizing alone
would press all good ones together. The good half carries the information; of the rest it matters only that they are
bad.

Source: Song et al., The Vizier Gaussian Process Bandit Algorithm (2024), for the half-rank warp.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from dodona_server.algorithms.gp.data.axes import Array

# Larger metrics are clipped to this: their squares would overflow.
HUGE = 1e100


def standardize(y: Array) -> Array:
    """Return `y` with mean 0 and variance 1, n; zeros if it is constant."""
    y = y - y.mean()
    spread = float(np.sqrt(np.mean(y * y)))
    return y / spread if spread > 0 else np.zeros(len(y))


def finite(y: Array) -> Array:
    """Return `y` without infinities, n: NaN and +inf become the worst of the others, -inf and huge values the best."""
    known = y[np.isfinite(y)]
    if not len(known):
        return np.zeros(len(y))
    low, high = max(float(known.min()), -HUGE), min(float(known.max()), HUGE)
    return np.clip(np.nan_to_num(y, nan=high, posinf=high, neginf=low), -HUGE, HUGE)


def warp_outputs(y: Array) -> Array:
    """Return warped and standardized values to minimize, n; order and ties are kept."""
    y = _unit(finite(y))
    if not y.any():
        return y
    return standardize(_half_rank(y))


def unwarp(y: Array, values: Array, warped: Array) -> Array | None:
    """Return the values whose warped ones would be `y`, m; None if all `values` are equal.

    Between the known values they are interpolated. Beyond them they follow the straight line of the good half.

    Args:
        y: warped values, m.
        values: that were warped, n.
        warped: the result of `warp_outputs`, n.
    """
    values = finite(values)
    order = np.argsort(values, kind="stable")
    known, place = values[order], warped[order]
    last = max(int(np.searchsorted(known, np.median(known), side="right")) - 1, 0)
    if place[last] <= place[0]:
        # Half of the values equal the best.
        last = len(known) - 1
    if place[last] <= place[0]:
        return None
    slope = (known[last] - known[0]) / (place[last] - place[0])
    beyond = np.minimum(y - place[0], 0.0) + np.maximum(y - place[-1], 0.0)
    return np.asarray(np.interp(y, place, known) + slope * beyond)


def _unit(y: Array) -> Array:
    """Return `y` shifted and scaled to [0, 1], in steps that cannot overflow."""
    low = y.min()
    y = y / 2 - low / 2
    top = y.max()
    return y / top if top > 0 else np.zeros(len(y))


def _half_rank(y: Array) -> Array:
    """Return `y` with the values above the median replaced by Gaussian ranks, on the scale of those below it."""
    middle = float(np.median(y))
    good = y <= middle
    scale = float(np.sqrt(np.mean((y[good] - middle) ** 2)))
    if scale <= 0 or good.all():
        return y
    _, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - counts / 2)[index] / len(y)
    return np.where(good, y, middle + scale * ndtri(np.maximum(rank, 0.5)))
