"""Target of the model: one number for each trial, from one or several objectives.

Several objectives are combined by the augmented Chebyshev norm. Each suggestion draws new random weights, so that the
suggestions spread along the Pareto front, including its concave parts.

Source: Knowles, ParEGO (2006).
"""

from __future__ import annotations

import numpy as np

from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.model.outputs import warp_outputs
from dodona_server.algorithms.shared.nondominated import first_front

AUGMENTATION = 0.05


def weights(count: int, generator: np.random.Generator) -> Array:
    """Return random weights of `count` objectives, uniform among those with sum 1."""
    drawn = generator.exponential(np.ones(count))
    return np.asarray(drawn / drawn.sum())


def target(values: Array, weighting: Array) -> Array:
    """Return the target to minimize, standardized, n.

    Args:
        values: objectives, lower is better, n x number of objectives.
        weighting: of the objectives.
    """
    if values.shape[1] == 1:
        return warp_outputs(values[:, 0])
    front = first_front(values)
    weighted = np.stack([_unit(warp_outputs(column), front) for column in values.T], axis=1) * weighting
    return warp_outputs(weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1))


def _unit(y: Array, front: Mask) -> Array:
    """Return `y` scaled so that its range on the Pareto front is [0, 1]."""
    low, high = y[front].min(), y[front].max()
    if high <= low:
        high = y.max()
    return (y - low) / (high - low) if high > low else np.zeros(len(y))
