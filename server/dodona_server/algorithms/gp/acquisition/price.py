"""Discount of a trial's acquisition for its duration, if the study has a budget of time.

The expected improvement is divided by the root of the seconds that the trial is likely to take. If the study's time has
an end, it is also multiplied by the probability that the trial ends before: a result that comes later is worth nothing.

Sources: Snoek, Larochelle and Adams, Practical Bayesian Optimization of Machine Learning Algorithms (2012), for
expected improvement per second; Lee, Perrone, Archambeau and Seeger, Cost-aware Bayesian Optimization (2020), for
powers of the seconds below 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dodona_server.algorithms.gp.acquisition.feasibility import log_feasibility
from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.call import Search
from dodona_server.algorithms.gp.model.durations import Durations, fit_durations

# Of the seconds. With 1 the search would only try what is short, with 0 it ignores how long trials take.
POWER = 0.5
# The part of the time left in which a trial has to end: some of it passes before a worker has the trial.
ENOUGH = 0.95
LEAST_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class Price:
    """Price of points.

    Args:
        durations: the model of trials' seconds.
        seconds: the time in which a trial has to end, above 0; None for any.
    """

    durations: Durations
    seconds: float | None = None

    def log_worth(self, z: Array, active: Mask, *, slopes: bool = True) -> tuple[Array, Array]:
        """Return what to add to the logarithm of the improvement, m, and its derivatives by the positions, m x a.

        Without `slopes` the derivatives are 0.
        """
        mean, variance, pull_back = self.durations.with_slopes(z, active, slopes=slopes)
        value, by_mean = POWER * (self.durations.middle - mean), np.full(len(z), -POWER)
        by_variance = np.zeros(len(z))
        if self.seconds is not None:
            log_p, more, by_variance = log_feasibility(mean[:, None], variance, float(np.log(self.seconds)))
            value, by_mean = value + log_p, by_mean + more[:, 0]
        return value, pull_back(by_mean, by_variance) if slopes else np.zeros(z.shape)

    def in_time(self, z: Array, active: Mask) -> Mask:
        """Return whether trials at the points may end in time, m."""
        if self.seconds is None:
            return np.ones(len(z), dtype=bool)
        return np.asarray(self.durations.least_seconds(z, active) <= self.seconds)


def price_of(search: Search) -> Price | None:
    """Return the price of points; None without a budget of time, or while the durations are unknown.

    Raises:
        numpy.linalg.LinAlgError: a kernel matrix could not be inverted.
    """
    if search.time is None:
        return None
    durations = fit_durations(search.encoding, search.history.trials, search.dimensions)
    if durations is None:
        return None
    left = search.time.seconds
    return Price(durations, None if left is None else max(ENOUGH * left, LEAST_SECONDS))
