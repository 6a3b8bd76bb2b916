"""Find the point with the greatest acquisition in a mixed and conditional space.

1. Many candidates, spread over the space and scattered around the best trials.
2. L-BFGS-B on the numeric axes, from the best candidates.
3. A local search over the values of the other axes; L-BFGS-B runs again after each move.

Points are always compared by their values on the grid, never by positions between.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from dodona_server.algorithms.gp.acquisition.acquisition import Acquisition
from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.encoding import Encoding

SPREAD, SCATTERED = 512, 512
STARTS = 4  # of each of the two kinds
# Options of L-BFGS-B. The tolerance and the limit of line-search steps end runs that only rounding errors prolong.
POLISHING = {"maxiter": 40, "ftol": 1e-6, "maxls": 10}
SEARCHED, SEARCH_ROUNDS = 3, 4
MOST_NEIGHBORS = 400
# A numeric grid of more values than this is first searched as if it were continuous.
FINE_GRID = 12


class Optimizer:
    """Searches one space.

    Args:
        encoding: the space's.
        generator: of all draws.
    """

    def __init__(self, encoding: Encoding, generator: np.random.Generator) -> None:
        self._encoding, self._generator = encoding, generator
        self._relaxed = np.flatnonzero(encoding.movable & ~encoding.categorical & (encoding.sizes > FINE_GRID))
        self._stepped = np.flatnonzero(encoding.movable & ~encoding.continuous)

    def best_first(self, acquisition: Acquisition, seeds: Array, pace: Array) -> Iterator[Array]:
        """Yield points, a, best acquisition first; the later ones serve if the first ones were tried already.

        Args:
            acquisition: to maximize.
            seeds: the best trials so far, best first, at least one, k x a.
            pace: the length scale of each axis, a.
        """
        spread, scattered = self._spread(SPREAD), self._scattered(seeds, SCATTERED)
        z = np.concatenate([spread, scattered])
        value = acquisition(z, self._encoding.activity(z))
        split = len(spread)
        starts = np.concatenate(
            [
                np.argsort(-value[:split], kind="stable")[:STARTS],
                split + np.argsort(-value[split:], kind="stable")[:STARTS],
            ]
        )
        polished = self._polish(acquisition, z[starts], pace)
        reached = acquisition(polished, self._encoding.activity(polished))
        order = np.argsort(-reached, kind="stable")
        found = [self._search(acquisition, polished[index], pace) for index in order[:SEARCHED]]
        searched = np.array(found)
        every = np.concatenate([searched, polished, z])
        value = np.concatenate([acquisition(searched, self._encoding.activity(searched)), reached, value])
        return iter(every[np.argsort(-value, kind="stable")])

    def _spread(self, count: int) -> Array:
        """Return a Latin hypercube over the space, count x a."""
        size = self._encoding.size
        cells = self._generator.permuted(np.tile(np.arange(count), (size, 1)), axis=1).T
        return self._encoding.spread((cells + self._generator.random((count, size))) / count)

    def _scattered(self, seeds: Array, count: int) -> Array:
        """Return points around the seeds, count x a: half moved a little on all axes, half redrawn on a few axes."""
        generator, size = self._generator, self._encoding.size
        z = seeds[np.minimum(generator.geometric(0.35, count) - 1, len(seeds) - 1)].copy()
        fresh = self._spread(count)
        step = np.exp(generator.uniform(np.log(0.003), np.log(0.3), (count, 1)))
        near = np.clip(z + step * generator.standard_normal((count, size)), 0.0, 1.0)
        near[:, self._encoding.categorical] = z[:, self._encoding.categorical]
        few = generator.random((count, size)) < generator.integers(1, 4, (count, 1)) / max(size, 1)
        far = np.where(few, fresh, z)
        half = count // 2
        return self._encoding.snap(np.concatenate([near[:half], far[half:]]))

    def _polish(self, acquisition: Acquisition, z: Array, pace: Array) -> Array:
        """Return the points moved uphill on their numeric axes, m x a, on the grid."""
        relaxed = self._relaxed
        if not len(relaxed):
            return z
        active = self._encoding.activity(z)
        unit = np.clip(pace[relaxed], 0.02, 1.0)

        def loss(flat: Array) -> tuple[float, Array]:
            moved = z.copy()
            moved[:, relaxed] = flat.reshape(len(z), -1) * unit
            value, by_z = acquisition.with_slopes(moved, active)
            return -float(value.sum()), -(by_z * active)[:, relaxed].ravel() * np.tile(unit, len(z))

        bounds = np.stack([np.zeros(len(z) * len(relaxed)), np.tile(1.0 / unit, len(z))], axis=1)
        start = (z[:, relaxed] / unit).ravel()
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=POLISHING)
        moved = z.copy()
        if np.isfinite(found.x).all():
            moved[:, relaxed] = found.x.reshape(len(z), -1) * unit
        return self._encoding.snap(moved)

    def _search(self, acquisition: Acquisition, z: Array, pace: Array) -> Array:
        """Return the point after steps to the best neighbors on the axes with discrete values, a."""
        if not len(self._stepped):
            return z
        value = float(acquisition(z[None], self._encoding.activity(z[None]))[0])
        for _ in range(SEARCH_ROUNDS):
            near = self._neighbors(z)
            if not len(near):
                break
            reached = acquisition(near, self._encoding.activity(near))
            order = np.argsort(-reached, kind="stable")[:2]
            moved = np.concatenate([near[order], self._polish(acquisition, near[order], pace)])
            reached = acquisition(moved, self._encoding.activity(moved))
            top = int(np.argmax(reached))
            if not reached[top] > value + 1e-9:
                break
            z, value = moved[top], float(reached[top])
        return z

    def _neighbors(self, z: Array) -> Array:
        """Return the points that differ from `z` by one step on one active axis, m x a."""
        active = self._encoding.activity(z[None])[0]
        steps = [
            (int(axis), place)
            for axis in self._stepped[active[self._stepped]]
            for place in self._encoding.axes[axis].neighbors(float(z[axis]))
        ]
        if len(steps) > MOST_NEIGHBORS:
            picked: npt.NDArray[np.intp] = self._generator.choice(len(steps), MOST_NEIGHBORS, replace=False)
            steps = [steps[index] for index in picked]
        near = np.repeat(z[None], len(steps), axis=0)
        for row, (axis, place) in enumerate(steps):
            near[row, axis] = place
        return near
