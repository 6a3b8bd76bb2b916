"""Chance that the rest of a search brings a clear improvement.

The bandit tells for each suggestion the probability that it is one. Later suggestions have others, so the chance of
several is fitted to searches whose end is known: improvements come at a rate whose logarithm is linear in those of that
probability, of the number of trials left, of how long the last improvement is past, and of how many trials there were.

Sources: Xie et al., Cost-Aware Stopping for Bayesian Optimization (2025), for stopping by what is still to be gained;
the weights are those of `benchmarks/outlook.py`.
"""

from __future__ import annotations

import math

# A clear improvement is larger than this part of the interquartile range of the results.
CLEARLY = 0.01
WEIGHTS = (0.565, 0.652, 0.4, -0.301, -0.539)
# Smaller probabilities are not told apart: the model is too sure of itself there.
FLOOR = 0.01


def features(improving: float, finished: int, since_best: int, left: int) -> tuple[float, ...]:
    """Return what the logarithm of the rate is linear in; see `chance`."""
    count = max(1, finished)
    return (
        1.0,
        math.log(max(improving, FLOOR)),
        math.log(left),
        math.log((since_best + 1) / count),
        math.log(count),
    )


def chance(improving: float, finished: int, since_best: int, left: int) -> float:
    """Return the probability of a clear improvement by the trials that are left, from 0 to 1.

    Args:
        improving: the probability that the latest suggestion is one.
        finished: the number of finished trials.
        since_best: how many of them finished after the best one.
        left: the number of trials that are left.
    """
    if left <= 0:
        return 0.0
    known = zip(WEIGHTS, features(improving, finished, since_best, left), strict=True)
    return -math.expm1(-math.exp(min(sum(weight * feature for weight, feature in known), 5.0)))
