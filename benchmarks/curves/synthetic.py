"""Synthetic learning curves that cross, spike, plateau, overfit and diverge.

The idea is the prior of ifBO (Rakotoarison et al. 2024): a curve is a broken power law whose parameters are smooth
random functions of the hyperparameters. The code and its distributions are our own. A task draws how much its
configurations differ, how slow good ones are, how noisy curves are, and how many trainings fail.

Symbols: u is a configuration in the unit cube (n x d), t an epoch, tau the time scale of a curve, alpha its power.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from curves.trainings import EPOCHS

Array = npt.NDArray[np.float64]
FEATURES = 64
CHANCE = 1.0


def losses(seed: int, configurations: int = 400) -> tuple[Array, Array, Array]:
    """Return configurations in the unit cube (n x d), their validation losses (n x `EPOCHS`), and seconds of an epoch.

    A loss is NaN once a training has diverged.
    """
    rng = np.random.default_rng([20, seed])
    u = rng.random((configurations, int(rng.integers(3, 7))))
    curves = _failed(u, _trained(u, rng), rng)
    return u, curves, np.exp(rng.normal(0.0, 0.5, configurations))


def _trained(u: Array, rng: np.random.Generator) -> Array:
    """Return the losses of trainings that do not fail."""
    n, t = len(u), np.arange(1, EPOCHS + 1)[None, :]
    quality, slow = _smooth(u, rng), _smooth(u, rng)
    # Crossings: the better configurations of many tasks are the slower ones, as with small learning rates.
    link = rng.uniform(-0.5, 0.8)
    slow = norm.cdf(link * norm.ppf(quality) + math.sqrt(1 - link**2) * norm.ppf(slow))
    end = rng.uniform(0.02, 0.3) + rng.uniform(0.2, 0.6) * (1 - quality) ** rng.uniform(0.7, 3.0)
    tau = np.exp(rng.uniform(-1.0, 1.0) + rng.uniform(0.5, 2.5) * slow)[:, None]
    # Broken power law: the power changes at an epoch of each curve.
    alpha = np.exp(rng.normal(0.3, 0.4, (n, 1)))
    broken, change = rng.integers(3, EPOCHS, (n, 1)), np.exp(rng.normal(0.0, 0.5, (n, 1)))
    delayed = np.maximum(t - _delays(n, rng), 0)
    law = (1 + delayed / tau) ** -alpha
    at_break = np.take_along_axis(law, broken - 1, axis=1)
    law = np.where(t > broken, at_break * (law / at_break) ** change, law)
    if rng.random() < 0.3:  # the schedule lowers the learning rate: all curves drop at the same epoch
        law = law * np.where(t > int(rng.integers(20, 41)), rng.uniform(0.3, 0.8), 1.0)
    level = end[:, None] + (CHANCE - end[:, None]) * law
    overfit = np.maximum(t - rng.integers(5, 2 * EPOCHS, (n, 1)), 0) * rng.exponential(0.004, (n, 1))
    return np.maximum((level + overfit) * (1 + _noise(n, rng)), 1e-4)


def _delays(n: int, rng: np.random.Generator) -> Array:
    """Return for each curve the length of its plateau at the start; 0 for most."""
    share = rng.choice([0.0, 0.0, 0.05, 0.2])
    return np.where(rng.random((n, 1)) < share, rng.geometric(0.2, (n, 1)), 0).astype(float)


def _noise(n: int, rng: np.random.Generator) -> Array:
    """Return relative noise whose size differs between curves, with spikes that last two epochs."""
    size = math.exp(rng.uniform(math.log(0.002), math.log(0.05))) * np.exp(rng.normal(0.0, 0.5, (n, 1)))
    noise = size * rng.standard_normal((n, EPOCHS))
    hit = rng.random((n, EPOCHS)) < rng.choice([0.0, 0.01, 0.04])
    spikes = hit * rng.exponential(0.5, (n, EPOCHS))
    return noise + spikes + 0.5 * np.roll(spikes, 1, axis=1) * (np.arange(EPOCHS) > 0)


def _failed(u: Array, curves: Array, rng: np.random.Generator) -> Array:
    """Return the losses with failures at one end of the first hyperparameter: NaN, or back to chance for ever."""
    share = rng.choice([0.0, 0.05, 0.25])
    danger = u[:, 0] + 0.15 * rng.standard_normal(len(u))
    fails = danger > np.quantile(danger, 1 - share) if share else np.zeros(len(u), bool)
    since = np.where(rng.random(len(u)) < 0.5, 1, rng.geometric(0.1, len(u)))
    gone = fails[:, None] & (np.arange(1, EPOCHS + 1)[None, :] >= since[:, None])
    lost = np.where(rng.random(len(u)) < 0.5, np.nan, CHANCE * 1.1)[:, None]
    return np.where(gone, lost + 0.01 * rng.standard_normal(curves.shape), curves)


def _smooth(u: Array, rng: np.random.Generator) -> Array:
    """Return a smooth random function of the configurations, as ranks in (0, 1)."""
    scales = np.exp(rng.normal(0.0, 0.7, u.shape[1]))  # some hyperparameters matter more
    frequencies = rng.standard_normal((u.shape[1], FEATURES)) * 1.5 * scales[:, None]
    values = np.cos(u @ frequencies + rng.uniform(0, 2 * math.pi, FEATURES)) @ rng.standard_normal(FEATURES)
    values += 0.3 * values.std() * rng.standard_normal(len(u))
    ranks: Array = (values.argsort().argsort() + 0.5) / len(u)
    return ranks
