"""Durations of trials by their parameters: a Gaussian process of the logarithm of their seconds.

The model has the features and the priors of the objective's model, and hyperparameters of its own. It is a normal
distribution without parameters while few trials have finished, or if their parameters do not predict the durations:
if the errors of the process, each with one trial left out, are not clearly smaller than those of the mean.

Sources: Snoek, Larochelle and Adams, Practical Bayesian Optimization of Machine Learning Algorithms (2012), for a
Gaussian process of the logarithm; Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section
5.4.2, for the errors with one left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from dodona_server.algorithms.contract.durations import LEAST, LIKELY, measured
from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.encoding import Encoding
from dodona_server.algorithms.gp.data.features import Features
from dodona_server.algorithms.gp.model.fit import fit
from dodona_server.algorithms.gp.model.likelihood import NoisePrior
from dodona_server.algorithms.gp.model.surrogate import Surrogate
from dodona_server.domain.trials.trial import Trial

# The most trials in the model, the latest ones.
MOST = 128
# Fewer than this do not show what the parameters do.
LEAST_MODELED = 8
# Of the logarithm: durations that are all equal would leave no doubt.
LEAST_SPREAD = 0.01
# Of the logarithm of seconds: larger ones have no double.
MOST_LOG = 700.0
NOISE = NoisePrior(median=0.3, spread=1.5, low=1e-3)

# The parameters predict the durations if the mean squared error with them is below this part of that without them. The
# hyperparameters have seen the trial that is left out, so a part near 1 is chance: of 30 histories of 30 trials with
# random durations, 4 are below 0.8.
PREDICTIVE = 0.8

# More of them, or a warp of the axes, made no difference on the benchmark's tables.
ITERATIONS = 15

PullBack = Callable[[Array, Array], Array]


@dataclass(frozen=True, slots=True)
class Durations:
    """Model of the logarithm of the seconds of a trial.

    Args:
        middle: the mean of the logarithms.
        spread: their standard deviation.
        model: of the standardized logarithms; None for a normal distribution.
    """

    middle: float
    spread: float
    model: Surrogate | None = None

    def log_seconds(self, z: Array, active: Mask) -> tuple[Array, Array]:
        """Return the mean and the standard deviation of the logarithm at the points, m each."""
        mean, variance, _ = self.with_slopes(z, active, slopes=False)
        return mean, np.sqrt(variance)

    def with_slopes(self, z: Array, active: Mask, *, slopes: bool = True) -> tuple[Array, Array, PullBack]:
        """Return the mean and the variance of the logarithm, m each, and a function for derivatives.

        From derivatives by the mean and by the variance, m each, it returns those by the numeric positions, m x a. It
        needs `slopes`.
        """
        model, spread = self.model, self.spread
        if model is None:
            return np.full(len(z), self.middle), np.full(len(z), spread**2), lambda _mean, _variance: np.zeros(z.shape)
        at = model.predict(z, active, slopes=slopes)

        def pull_back(by_mean: Array, by_variance: Array) -> Array:
            return model.pull_back(z, at, by_mean[:, None] * spread, by_variance * spread**2)

        return self.middle + spread * at.mean[:, 0], spread**2 * (at.variance + model.hyper.noise), pull_back

    def least_seconds(self, z: Array, active: Mask) -> Array:
        """Return the seconds in which a trial at the points ends with the probability `LIKELY`, m."""
        mean, deviation = self.log_seconds(z, active)
        return np.asarray(np.exp(np.minimum(mean + float(ndtri(LIKELY)) * deviation, MOST_LOG)))


def fit_durations(encoding: Encoding, trials: Sequence[Trial], dimensions: float) -> Durations | None:
    """Return the model of the durations of finished trials; None if fewer than `LEAST` have one.

    Args:
        encoding: of the space.
        trials: in the order of their numbers.
        dimensions: active dimensions of a point, on average.

    Raises:
        numpy.linalg.LinAlgError: a kernel matrix could not be inverted.
    """
    known = [(trial.parameters, seconds) for trial in trials if (seconds := measured(trial)) is not None][-MOST:]
    if len(known) < LEAST:
        return None
    logs = np.log([seconds for _, seconds in known])
    middle, deviation = float(logs.mean()), float(logs.std(ddof=1))
    constant = Durations(middle, max(deviation * math.sqrt(1 + 1 / len(logs)), LEAST_SPREAD))
    if len(known) < LEAST_MODELED or deviation < LEAST_SPREAD or not encoding.free.any():
        return constant
    y = (logs - middle) / deviation
    z, active = encoding.encode([point for point, _ in known])
    features = Features(encoding, z, active)
    x, no_basis = features(z, active), np.empty((len(y), 0))
    hyper = fit(features, x, y, no_basis, dimensions, NOISE, ITERATIONS, warped=False)
    model = Surrogate(features, hyper, z, active, y[:, None])
    of_mean = y * len(y) / (len(y) - 1)
    if float(np.mean((y - model.left_out[:, 0]) ** 2)) > PREDICTIVE * float(np.mean(of_mean**2)):
        return constant
    return Durations(middle, deviation, model)
