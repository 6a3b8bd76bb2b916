"""Kernel: Matérn-5/2 with a length scale for each group of features, after a monotone warp of the numeric ones.

| symbol | meaning | shape |
| --- | --- | --- |
| `weight` | 1 / l², of each feature's group | f |
| `r2` | squared scaled distance, sum of weight (x - x')² | m x n |
| `a`, `b` | exponents of the warp w(x) = 1 - (1 - x^a)^b of each numeric feature | number of numeric |

With u = sqrt(5 r2):  k(r2) = (1 + u + u²/3) exp(-u)  and  dk/d(r2) = -5/6 (1 + u) exp(-u). As a function of r2 it has
no singularity at equal points.

Sources: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapter 4. Snoek, Swersky, Zemel and
Adams, Input Warping for Bayesian Optimization of Non-Stationary Functions (2014), for the Kumaraswamy warp.
"""

from __future__ import annotations

import numpy as np

from dodona_server.algorithms.gp.data.axes import Array

SQRT5 = float(np.sqrt(5.0))
# The warp's slope has a pole at an end if an exponent is below 1: keep this distance from it.
WARP_MARGIN = 1e-2


def squared_distances(left: Array, right: Array) -> Array:
    """Return the pairwise squared Euclidean distances of the rows, m x n; never below 0."""
    squares = left @ (-2.0 * right.T)
    squares += np.einsum("ij,ij->i", left, left)[:, None]
    squares += np.einsum("ij,ij->i", right, right)
    return np.asarray(np.maximum(squares, 0.0, out=squares))


def matern(r2: Array) -> Array:
    """Return Matérn-5/2 correlations, shape as `r2`."""
    # In place: a new matrix may cost more than what is computed.
    u = np.sqrt(r2)
    u *= SQRT5
    decay = np.negative(u)
    np.exp(decay, out=decay)
    polynomial = u / 3.0
    polynomial += 1.0
    polynomial *= u
    polynomial += 1.0
    polynomial *= decay
    return polynomial


def matern_and_slope(r2: Array) -> tuple[Array, Array]:
    """Return Matérn-5/2 correlations and their derivatives by `r2`, shapes as `r2`."""
    u = np.sqrt(r2)
    u *= SQRT5
    decay = np.negative(u)
    np.exp(decay, out=decay)
    slope = u + 1.0
    u *= u
    u /= 3.0
    u += slope
    u *= decay
    decay *= -5.0 / 6.0
    slope *= decay
    return u, slope


def warp(x: Array, a: Array, b: Array) -> Array:
    """Return the warped numeric features, m x number of numeric; outside [0, 1] the warp continues with slope 1."""
    inside = np.minimum(np.maximum(x, 0.0), 1.0)
    t = WARP_MARGIN + (1 - 2 * WARP_MARGIN) * inside
    return 1.0 - (1.0 - t**a) ** b + (x - inside)


def warp_slopes(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return the derivatives of `warp` by x, by log a and by log b, each m x number of numeric."""
    t = WARP_MARGIN + (1 - 2 * WARP_MARGIN) * np.minimum(np.maximum(x, 0.0), 1.0)
    log_t = np.log(t)
    power = np.exp(a * log_t)
    rest = 1.0 - power
    log_rest = np.log(rest)
    left = b * np.exp(b * log_rest)
    by_log_a = left / rest * power * a
    by_x = by_log_a / t * (1 - 2 * WARP_MARGIN)
    by_log_a *= log_t
    return by_x, by_log_a, -left * log_rest
