"""Log posterior of the hyperparameters, with its gradient.

The covariance of the observations:  K = s² k(r2) + c² 1 1' + sum of t² p p' + noise I + diag(extra).  The second
term is a constant mean with the prior N(0, c²). The third term is a regression on the predictions p of earlier
studies. Both are integrated out, so neither needs an estimate, and a useless prediction loses its weight t. The last
term is what is known of the noise of single observations.

| symbol | meaning | shape |
| --- | --- | --- |
| `theta` | logarithms of l (each group), s², noise, a and b (each numeric feature), t² (each prediction) | 1-d |
| `basis` | predictions of the earlier studies at the observations | n x number of them |

Priors, all normal on the logarithms:

- l: all groups share a level, whose median grows with the square root of the number of dimensions, as distances do.
  Each l differs from the level by less, so in many dimensions the data have to determine only the level and the
  exceptions. The growth is that of Hvarfner, Hellsten and Nardi, Vanilla Bayesian Optimization Performs Great in High
  Dimensions (2024).
- s²: around the variance of the data. Noise: below it, see `NoisePrior`.
- a and b: around 1, which is no warp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.model.kernel import matern_and_slope, squared_distances, warp, warp_slopes

MEAN_VARIANCE = 1.0
JITTER = 1e-8
LENGTH_MEDIAN, LEVEL_SPREAD, LENGTH_SPREAD = 1.0, 1.0, 1.0
SCALE_SPREAD = 1.0
WARP_SPREAD = 0.3
BASIS_MEDIAN, BASIS_SPREAD = float(np.log(0.5)), 1.5
LENGTH_BOUNDS = (float(np.log(0.02)), float(np.log(300.0)))
SCALE_BOUNDS = (-4.0, 4.0)
WARP_BOUNDS = (-1.2, 1.2)
BASIS_BOUNDS = (-12.0, 3.0)


@dataclass(frozen=True, slots=True)
class NoisePrior:
    """Prior of the noise variance, in units of the observations' variance.

    Args:
        median: of the log-normal prior.
        spread: standard deviation of the logarithm.
        low: least variance.
        high: greatest variance.
    """

    median: float = 1e-3
    spread: float = 3.0
    low: float = 1e-6
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Fitted values, in natural units; see the module's table."""

    length: Array
    scale: float
    noise: float
    warp_a: Array
    warp_b: Array
    basis: Array

    @property
    def weight(self) -> Array:
        """1 / l² of each group."""
        return self.length**-2.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of `theta`.

    Args:
        groups: number of length scales.
        numeric: number of numeric features, the first ones of all features.
        basis: number of predictions.
        warped: whether the warp is fitted; without it a and b are 1.
    """

    groups: int
    numeric: int
    basis: int
    warped: bool

    def split(self, theta: Array) -> tuple[Array, float, float, Array, Array, Array]:
        """Return the parts of `theta`: log l, log s², log noise, log a, log b, log t²."""
        at = self.groups
        lengths, scale, noise = theta[:at], float(theta[at]), float(theta[at + 1])
        at += 2
        count = self.numeric if self.warped else 0
        log_a, log_b = theta[at : at + count], theta[at + count : at + 2 * count]
        if not self.warped:
            log_a = log_b = np.zeros(self.numeric)
        return lengths, scale, noise, log_a, log_b, theta[at + 2 * count :]

    def hyperparameters(self, theta: Array) -> Hyperparameters:
        """Return the natural values of `theta`."""
        lengths, scale, noise, log_a, log_b, log_t = self.split(theta)
        return Hyperparameters(
            np.exp(lengths),
            float(np.exp(scale)),
            float(np.exp(noise)),
            np.exp(log_a),
            np.exp(log_b),
            np.exp(log_t),
        )

    def theta(self, hyperparameters: Hyperparameters) -> Array:
        """Return the logarithms of natural values."""
        one = hyperparameters
        warp = [one.warp_a, one.warp_b] if self.warped else []
        return np.asarray(np.log(np.concatenate([one.length, [one.scale, one.noise], *warp, one.basis])))

    def prior(self, dimensions: float, noise: NoisePrior) -> tuple[Array, Array, Array]:
        """Return medians, spreads and bounds (2 columns) of `theta` under the prior, for `dimensions` active ones."""
        count = 2 * self.numeric if self.warped else 0
        length = np.log(LENGTH_MEDIAN) + 0.5 * np.log(max(dimensions, 1.0))
        parts = [
            (length, LENGTH_SPREAD, LENGTH_BOUNDS, self.groups),
            (0.0, SCALE_SPREAD, SCALE_BOUNDS, 1),
            (np.log(noise.median), noise.spread, (np.log(noise.low), np.log(noise.high)), 1),
            (0.0, WARP_SPREAD, WARP_BOUNDS, count),
            (BASIS_MEDIAN, BASIS_SPREAD, BASIS_BOUNDS, self.basis),
        ]
        medians = np.concatenate([np.full(size, median) for median, _, _, size in parts])
        spreads = np.concatenate([np.full(size, spread) for _, spread, _, size in parts])
        bounds = np.concatenate([np.full((size, 2), limits) for _, _, limits, size in parts])
        return medians, spreads, bounds


def cholesky(k: Array) -> Array:
    """Return the lower Cholesky factor of a positive definite matrix, n x n.

    Raises:
        numpy.linalg.LinAlgError: it is not positive definite, even with a little added to its diagonal.
    """
    added = 0.0
    for _ in range(6):
        # The transpose equals the symmetric matrix and has LAPACK's order, so that LAPACK works in this copy.
        copy = np.array(k, order="C").T
        if added:
            copy.flat[:: len(k) + 1] += added
        factor, info = lapack.dpotrf(copy, lower=1, clean=1, overwrite_a=1)
        if info == 0:
            return np.asarray(factor)
        added = max(added * 10.0, JITTER * float(np.trace(k)) / len(k))
    raise np.linalg.LinAlgError("the kernel matrix is not positive definite")


def inverse(factor: Array) -> Array:
    """Return the inverse of the matrix with this Cholesky factor, n x n; the factor is overwritten."""
    # Above the diagonal both are zero.
    lower, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    full = lower.T + lower
    full.flat[:: len(full) + 1] = lower.diagonal()
    return np.asarray(full)


class Posterior:
    """Negative log posterior of `theta`, to minimize.

    Args:
        x: features of the observations, n x f.
        y: observations, n.
        basis: n x number of predictions.
        group: of each feature, f.
        layout: of `theta`.
        dimensions: active dimensions of a point, on average.
        noise: the prior of the noise.
        extra: noise variance of each observation, besides the common one, n.
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        basis: Array,
        group: npt.NDArray[np.intp],
        layout: Layout,
        dimensions: float,
        noise: NoisePrior,
        extra: Array,
    ) -> None:
        self.x, self.y, self.basis, self.group, self.layout, self.extra = x, y, basis, group, layout, extra
        self.medians, self.spreads, self.bounds = layout.prior(dimensions, noise)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the value and its gradient by `theta`."""
        away = theta - self.medians
        pull = away / self.spreads**2
        groups = self.layout.groups
        # The inverse of LENGTH_SPREAD² I + LEVEL_SPREAD² 1 1', by the Sherman-Morrison formula.
        ratio = LEVEL_SPREAD**2 / (LENGTH_SPREAD**2 + groups * LEVEL_SPREAD**2)
        pull[:groups] -= ratio * pull[:groups].sum()
        value, gradient = self._evidence(theta)
        return value + 0.5 * float(away @ pull), gradient + pull

    def _evidence(self, theta: Array) -> tuple[float, Array]:
        hyper = self.layout.hyperparameters(theta)
        numeric = self.layout.numeric
        root = 1.0 / hyper.length[self.group]
        x = self.x.copy()
        x[:, :numeric] = warp(self.x[:, :numeric], hyper.warp_a, hyper.warp_b)
        scaled = x * root
        correlation, slope = matern_and_slope(squared_distances(scaled, scaled))
        k = hyper.scale * correlation
        k += MEAN_VARIANCE
        if self.layout.basis:
            k += (self.basis * hyper.basis) @ self.basis.T
        k.flat[:: len(k) + 1] += hyper.noise + self.extra
        factor = cholesky(k)
        half_log_determinant = float(np.log(factor.diagonal()).sum())
        by_k = inverse(factor)
        alpha = by_k @ self.y
        value = 0.5 * float(self.y @ alpha) + half_log_determinant
        by_k -= alpha[:, None] * alpha
        by_k *= 0.5  # n x n
        slope *= by_k
        slope *= hyper.scale
        rows = slope.sum(axis=1)
        moved = slope @ scaled  # n x f
        # For each feature: the sum over pairs of slope times (x - x')² / l²; d r2 / d log l is -2 (x - x')² / l².
        away = rows[:, None] * scaled - moved
        spread = -4.0 * np.einsum("ij,ij->j", scaled, away)
        parts: list[Array] = [
            np.asarray(np.bincount(self.group, weights=spread, minlength=self.layout.groups), dtype=np.float64),
            np.array([np.vdot(by_k, correlation) * hyper.scale, np.trace(by_k) * hyper.noise]),
        ]
        if self.layout.warped:
            by_x = 4.0 * (away * root)[:, :numeric]
            _, by_log_a, by_log_b = warp_slopes(self.x[:, :numeric], hyper.warp_a, hyper.warp_b)
            parts += [np.einsum("ij,ij->j", by_x, by_log_a), np.einsum("ij,ij->j", by_x, by_log_b)]
        if self.layout.basis:
            parts.append(np.einsum("ip,ij,jp->p", self.basis, by_k, self.basis) * hyper.basis)
        return value, np.concatenate(parts)
