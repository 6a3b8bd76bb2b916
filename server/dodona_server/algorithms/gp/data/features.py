"""Kernel features: the form of a point that the kernel compares.

A numeric axis gives one column, its position. An inactive axis is at the middle, equally far from both ends; the
parent's value also distinguishes active from inactive. A categorical axis gives a column for each category seen and one
for all others. Their value is sqrt(1/2), so two categories have the squared distance 1, the Hamming distance. The
columns of an axis share a length scale: they are one group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.encoding import Encoding

MIDDLE = 0.5
# A categorical axis with more values than this has columns only for the values seen.
MAX_CATEGORIES = 16


class Features:
    """Converts positions to kernel features, for one model.

    Args:
        encoding: the space's.
        z: positions of all points that the model will be conditioned on, n x a.
        active: whether each axis is active in the point, n x a.
    """

    def __init__(self, encoding: Encoding, z: Array, active: Mask) -> None:
        free = encoding.free
        self.numeric = np.flatnonzero(free & ~encoding.categorical)
        self._categories: list[tuple[int, Array]] = []
        groups = list(range(len(self.numeric)))
        for axis in np.flatnonzero(free & encoding.categorical):
            values = np.arange(encoding.sizes[axis])
            if len(values) > MAX_CATEGORIES:
                values = np.unique(z[active[:, axis], axis])
            self._categories.append((int(axis), values))
            groups += [len(self.numeric) + len(self._categories) - 1] * (len(values) + 1)
        self.group: npt.NDArray[np.intp] = np.array(groups, dtype=np.intp)
        self.groups = len(self.numeric) + len(self._categories)
        self.axes = np.concatenate([self.numeric, [axis for axis, _ in self._categories]]).astype(np.intp)

    def __call__(self, z: Array, active: Mask) -> Array:
        """Return the features of the points, m x f."""
        x = np.zeros((len(z), len(self.group)))
        x[:, : len(self.numeric)] = np.where(active[:, self.numeric], z[:, self.numeric], MIDDLE)
        column = len(self.numeric)
        for axis, values in self._categories:
            equal = z[:, axis, None] == values[None, :]
            other = ~equal.any(axis=1, keepdims=True)
            on = np.concatenate([equal, other], axis=1) & active[:, axis, None]
            x[:, column : column + on.shape[1]] = on * np.sqrt(0.5)
            column += on.shape[1]
        return x
