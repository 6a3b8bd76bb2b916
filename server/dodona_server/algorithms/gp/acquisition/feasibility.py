"""Probability that a quantity with a normal distribution keeps a limit."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr

from dodona_server.algorithms.gp.data.axes import Array

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def log_feasibility(mean: Array, variance: Array, limit: float) -> tuple[Array, Array, Array]:
    """Return the logarithm of the probability that a quantity is at most `limit`, and its derivatives.

    Args:
        mean: m x 1.
        variance: m.
        limit: of the quantity.

    Returns:
        the value, m; its derivatives by mean, m x 1, and by variance, m.
    """
    sigma = np.sqrt(variance)
    u = (limit - mean[:, 0]) / sigma
    value = log_ndtr(u)
    hazard = np.exp(-0.5 * u * u - HALF_LOG_2PI - value)
    return value, (-hazard / sigma)[:, None], -hazard * u / (2.0 * variance)
