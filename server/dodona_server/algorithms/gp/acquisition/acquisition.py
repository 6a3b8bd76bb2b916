"""Acquisition function: log expected improvement with constraints.

log EI(x) = log of the mean over fantasies s of  sigma h((best_s - mean_s) / sigma),  h(u) = phi(u) + u Phi(u), plus
log P(feasible | x) for each constraint. The logarithm keeps a slope where the improvement itself underflows, which is
most of the space when the optimum is nearly found.

For failures, log P falls `STEEPNESS` times as fast below a probability of 1/2. The reason: if an objective improves
toward a region where trials fail, no result ever corrects the improvement expected there. A model of failures also
blurs the region's edge. A product with P alone then spends more trials on failures (38 of 50 instead of 24 in the
tested cases) and finds less. A safety metric is measured on both sides of its limit and does not need this.

Sources: Ament, Daulton, Eriksson, Balandat and Bakshy, Unexpected Improvements to Expected Improvement for Bayesian
Optimization (2023), for the stable logarithm; Snoek, Larochelle and Adams, Practical Bayesian Optimization of Machine
Learning Algorithms (2012), for the fantasies; Gardner et al., Bayesian Optimization with Inequality Constraints
(2014), for the constraints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr

from dodona_server.algorithms.gp.acquisition.feasibility import HALF_LOG_2PI, log_feasibility
from dodona_server.algorithms.gp.acquisition.price import Price
from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.hints import Hints
from dodona_server.algorithms.gp.model.surrogate import Surrogate

ROOT_HALF_PI = float(np.sqrt(np.pi / 2))
STEEPNESS = 50.0
LOG_EVEN = float(np.log(0.5))
# Below this, 1 - |u| sqrt(pi / 2) erfcx(|u| / sqrt 2) has no significant digits left; it equals 1 / u² in doubles.
FAR = -1e4
# So many points at a time: with hundreds of observations their covariances still fit in the processor's cache.
AT_ONCE = 256


def log_h(u: Array) -> Array:
    """Return log(phi(u) + u Phi(u)), shape as `u`; exact up to rounding for any u."""
    value = np.empty_like(u)
    is_near = u > -1.0
    near = u[is_near]
    value[is_near] = np.log(np.exp(-0.5 * near * near - HALF_LOG_2PI) + near * np.exp(log_ndtr(near)))
    far = u[~is_near]
    within = np.maximum(far, FAR)
    rest = 1.0 + within * ROOT_HALF_PI * erfcx(-within * np.sqrt(0.5))
    tail = np.where(far < FAR, -2.0 * np.log(-far), np.log(rest))
    value[~is_near] = -0.5 * far * far - HALF_LOG_2PI + tail
    return value


@dataclass(frozen=True, slots=True)
class Limit:
    """Limit of a quantity, and its weight.

    Args:
        most: the greatest allowed value (standardized).
        power: the factor of the log probability.
        steepness: a further factor where the probability is below 1/2.
    """

    most: float
    power: float = 1.0
    steepness: float = 1.0


@dataclass(frozen=True, slots=True)
class Constraint:
    """A model of a quantity, and its limit."""

    model: Surrogate
    limit: Limit


class Acquisition:
    """Log expected improvement, to maximize.

    Args:
        objective: the model; its columns are fantasies. None if only the constraints are known.
        best: the value to improve on, under each fantasy, s.
        constraints: the constraints to satisfy.
        hints: what people believe.
        power: of the density of the hints.
        price: of the points; None if their duration does not matter.
    """

    def __init__(
        self,
        objective: Surrogate | None,
        best: Array,
        constraints: Sequence[Constraint] = (),
        hints: Hints | None = None,
        power: float = 0.0,
        price: Price | None = None,
    ) -> None:
        self.objective, self.best, self.constraints = objective, best, constraints
        self.hints, self.power, self.price = hints, power, price

    def __call__(self, z: Array, active: Mask) -> Array:
        """Return the values at the points, m."""
        starts = range(0, max(len(z), 1), AT_ONCE)
        parts = [self._evaluate(z[at : at + AT_ONCE], active[at : at + AT_ONCE], slopes=False)[0] for at in starts]
        return np.concatenate(parts)

    def with_slopes(self, z: Array, active: Mask) -> tuple[Array, Array]:
        """Return the values, m, and their derivatives by the numeric positions, m x a."""
        return self._evaluate(z, active, slopes=True)

    def factor_of_hints(self, z: Array, active: Mask) -> float:
        """Return the factor by which hints change the improvement that is expected at one point."""
        return float(np.exp(self.power * self.hints.log_density(z, active)[0][0])) if self.hints else 1.0

    def _evaluate(self, z: Array, active: Mask, *, slopes: bool) -> tuple[Array, Array]:
        value, by_z = np.zeros(len(z)), np.zeros(z.shape)
        if self.objective is not None:
            at = self.objective.predict(z, active, slopes=slopes)
            value, u, log_each = log_expected_improvement(at.mean, at.variance, self.best)
            if slopes:
                by_mean, by_variance = improvement_slopes(at.variance, u, log_each)
                by_z = self.objective.pull_back(z, at, by_mean, by_variance)
        for constraint in self.constraints:
            at = constraint.model.predict(z, active, slopes=slopes)
            limit = constraint.limit
            log_p, by_mean, by_variance = log_feasibility(at.mean, at.variance, limit.most)
            weight = limit.power * np.where(log_p < LOG_EVEN, limit.steepness, 1.0)
            value = value + limit.power * LOG_EVEN + weight * (log_p - LOG_EVEN)
            if slopes:
                by_z += constraint.model.pull_back(z, at, by_mean * weight[:, None], by_variance * weight)
        if self.hints:
            log_density, slope = self.hints.log_density(z, active)
            value = value + self.power * log_density
            by_z += self.power * slope
        if self.price:
            log_worth, slope = self.price.log_worth(z, active, slopes=slopes)
            value = value + log_worth
            by_z += slope
        return value, by_z


def log_expected_improvement(mean: Array, variance: Array, best: Array) -> tuple[Array, Array, Array]:
    """Return the logarithm of the expected improvement, averaged over fantasies, with the terms for its derivatives.

    Args:
        mean: m x s.
        variance: m.
        best: s.

    Returns:
        the value, m; u and log h(u), each m x s.
    """
    sigma = np.sqrt(variance)
    u = (best - mean) / sigma[:, None]
    log_each = log_h(u)
    top = log_each.max(axis=1)
    total = np.exp(log_each - top[:, None]).sum(axis=1)
    return top + np.log(total / u.shape[1]) + np.log(sigma), u, log_each


def improvement_slopes(variance: Array, u: Array, log_each: Array) -> tuple[Array, Array]:
    """Return the derivatives of `log_expected_improvement`, from its terms: by mean, m x s, and by variance, m."""
    sigma = np.sqrt(variance)
    share = np.exp(log_each - log_each.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    # d log h / du = Phi / h; by sigma the two terms together give phi / h.
    by_mean = -share * np.exp(log_ndtr(u) - log_each) / sigma[:, None]
    by_sigma = (share * np.exp(-0.5 * u * u - HALF_LOG_2PI - log_each)).sum(axis=1) / sigma
    return by_mean, by_sigma / (2.0 * sigma)
