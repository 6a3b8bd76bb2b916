"""Finds the point of greatest acquisition in a mixed and conditional space.

Three steps: many candidates, spread over the space and strewn round the best trials; L-BFGS-B from the most promising,
on the numeric axes; and a local search over the values of the others, after each move of which L-BFGS-B runs again.
Points count by what they are on the grid, never by what lies between.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from dodona_server.algorithms.gp.acquisition import Acquisition
from dodona_server.algorithms.gp.axes import Array
from dodona_server.algorithms.gp.encoding import Encoding

SPREAD, STREWN = 512, 512
STARTS = 4  # of each of the two kinds
# Of L-BFGS-B. The tolerance and the steps of a line search end runs that rounding alone would keep going.
POLISHING = {"maxiter": 40, "ftol": 1e-6, "maxls": 10}
SEARCHED, SEARCH_ROUNDS = 3, 4
MOST_NEIGHBOURS = 400
# A numeric grid of more values than this is searched as if it were continuous first.
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
        """Points, a, the most promising first; later ones are for the case that the first was tried already.

        Args:
            acquisition: to maximise.
            seeds: the best trials so far, best first, at least one, k x a.
            pace: how far a numeric axis must go to matter (its length scale), a.
        """
        spread, strewn = self._spread(SPREAD), self._strewn(seeds, STREWN)
        z = np.concatenate([spread, strewn])
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
        """A Latin hypercube over the space, count x a."""
        size = self._encoding.size
        cells = self._generator.permuted(np.tile(np.arange(count), (size, 1)), axis=1).T
        return self._encoding.spread((cells + self._generator.random((count, size))) / count)

    def _strewn(self, seeds: Array, count: int) -> Array:
        """Points round the seeds, count x a: half moved a little on all axes, half drawn anew on a few."""
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
        """The points moved uphill on their numeric axes, m x a, on the grid."""
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
        """The point after steps to the best neighbours on the axes that have steps, a."""
        if not len(self._stepped):
            return z
        value = float(acquisition(z[None], self._encoding.activity(z[None]))[0])
        for _ in range(SEARCH_ROUNDS):
            near = self._neighbours(z)
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

    def _neighbours(self, z: Array) -> Array:
        """Points that differ from one in a single step on an active axis, m x a."""
        active = self._encoding.activity(z[None])[0]
        steps = [
            (int(axis), place)
            for axis in self._stepped[active[self._stepped]]
            for place in self._encoding.axes[axis].beside(float(z[axis]))
        ]
        if len(steps) > MOST_NEIGHBOURS:
            picked: npt.NDArray[np.intp] = self._generator.choice(len(steps), MOST_NEIGHBOURS, replace=False)
            steps = [steps[index] for index in picked]
        near = np.repeat(z[None], len(steps), axis=0)
        for row, (axis, place) in enumerate(steps):
            near[row, axis] = place
        return near
