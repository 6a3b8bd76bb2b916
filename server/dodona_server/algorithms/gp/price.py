"""What the end of the study's time takes from the acquisition of a trial: a result that comes later is worth nothing.

The expected improvement is multiplied by the probability that the trial ends before.

Source: Snoek, Larochelle and Adams, Practical Bayesian Optimization of Machine Learning Algorithms (2012), for the
model of the durations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dodona_server.algorithms.gp.acquisition import log_feasibility
from dodona_server.algorithms.gp.axes import Array, Mask
from dodona_server.algorithms.gp.call import Search
from dodona_server.algorithms.gp.durations import Durations, fit_durations

# The part of the time left in which a trial has to end: some of it passes before a worker has the trial.
ENOUGH = 0.95
LEAST_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class Price:
    """The price of points.

    Args:
        durations: the model of trials' seconds.
        seconds: the time in which a trial has to end, above 0.
    """

    durations: Durations
    seconds: float

    def log_worth(self, z: Array, active: Mask, *, slopes: bool = True) -> tuple[Array, Array]:
        """Return the log probability that a trial ends in time, m, and its derivatives by the positions, m x a.

        Without `slopes` the derivatives are 0.
        """
        mean, variance, pull_back = self.durations.with_slopes(z, active, slopes=slopes)
        log_p, by_mean, by_variance = log_feasibility(mean[:, None], variance, float(np.log(self.seconds)))
        return log_p, pull_back(by_mean[:, 0], by_variance) if slopes else np.zeros(z.shape)

    def in_time(self, z: Array, active: Mask) -> Mask:
        """Return whether trials at the points may end in time, m."""
        return np.asarray(self.durations.least_seconds(z, active) <= self.seconds)


def price_of(search: Search) -> Price | None:
    """Return the price of points; None if the study's time has no end, or while the durations are unknown.

    Raises:
        numpy.linalg.LinAlgError: a kernel matrix could not be inverted.
    """
    if search.time is None or search.time.seconds is None:
        return None
    durations = fit_durations(search.encoding, search.history.trials, search.dimensions)
    return None if durations is None else Price(durations, max(ENOUGH * search.time.seconds, LEAST_SECONDS))
