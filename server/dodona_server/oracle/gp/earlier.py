"""Hyperparameters of the first observations of a history, which are near those of all of them.

They are fitted once for many suggestions, as long as the history grows at its end, and remembered. What is remembered
depends on the observations alone: it saves time, and changes no suggestion.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dodona_server.oracle.gp.axes import Array
from dodona_server.oracle.gp.encoding import Encoding, Point
from dodona_server.oracle.gp.features import Features
from dodona_server.oracle.gp.fit import fit
from dodona_server.oracle.gp.likelihood import Hyperparameters, NoisePrior

# Of fewer observations than this all are fitted from the start: that costs little, and they change much.
LEAST, MOST = 16, 128
GROWTH = 1.15
# The latest observations may still be joined by earlier trials that take longer.
LATEST = 8
MOST_REMEMBERED = 64

_remembered: dict[tuple[object, ...], Hyperparameters] = {}


def milestone(count: int) -> int:
    """How many of the first of `count` observations to fit beforehand; 0 for none."""
    found, at = 0, float(LEAST)
    while at <= min(count - LATEST, MOST):
        found, at = int(at), at * GROWTH
    return found


def earlier_fit(
    encoding: Encoding, points: Sequence[Point], y: Array, dimensions: float, noise: NoisePrior
) -> Hyperparameters:
    """The hyperparameters of these observations, fitted or remembered.

    Args:
        encoding: of the study's space.
        points: where they were made, n.
        y: their values, standardised, n.
        dimensions: active dimensions of a point, on average.
        noise: the prior of the noise.
    """
    z, active = encoding.encode(points)
    features = Features(encoding, z, active)
    x = features(z, active)
    key = (x.shape, x.tobytes(), y.tobytes(), features.group.tobytes(), len(features.numeric), dimensions, noise)
    hyper = _remembered.pop(key, None)
    if hyper is None:
        hyper = fit(features, x, y, np.empty((len(y), 0)), dimensions, noise)
    _remembered[key] = hyper
    while len(_remembered) > MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    return hyper
