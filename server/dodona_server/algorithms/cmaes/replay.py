"""State of a CMA-ES, reconstructed from the trials.

The trials are divided into generations in the order in which they finished. A generation need not consist of points
that its state suggested, so late trials of earlier generations take part too. A trial's coordinate is drawn from the
whole cell of its value, by the trial's position in the order: the unrounded coordinate is not known, and with the
cells' centers the variance would collapse to less than a cell. The cell of an inactive or unknown parameter is the
whole interval, so it adds no information.

The cost of replaying all generations would grow, so a study is divided into epochs of `EPOCH` generations. Each epoch
starts at the best trial before it. A run that has converged restarts at a random point with twice the population (Auger
and Hansen, "A restart CMA evolution strategy with increasing population size", 2005).

Symbols: x (n,) positions of the ordered parameters in the unit interval, padded with unused ones up to two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from cmaes import CMA, CatCMA, SepCMA

from dodona_server.algorithms.space.tree import Cells, Dimension, Tree
from dodona_server.algorithms.space.unit_interval import CENTER
from dodona_server.domain.space import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EPOCH = 150
# With more ordered parameters than this, the full covariance costs too much and needs too many trials.
MAX_FULL = 40
_MAX_POPULATION = 1000
_WHOLE = (0.0, 1.0)
# How often a point outside the interval is drawn again before it is clipped.
_MAX_RESAMPLING = 20


class Replay:
    """A CMA-ES over a tree of conditions.

    Args:
        tree: the space; at least one of its parameters has two values.
        sigma: the initial standard deviation, in units of the interval.
        population_size: 0 for the usual one.
        seed: the study's.
    """

    def __init__(self, tree: Tree, sigma: float, population_size: int, seed: int) -> None:
        self._tree = tree
        self._sigma = sigma
        self._seed = seed
        free = [dimension for dimension in tree.dimensions if dimension.axis.levels != 1]
        self._ordered = {dimension.index: place for place, dimension in enumerate(d for d in free if d.axis.ordered)}
        self._named = {dimension.index: place for place, dimension in enumerate(d for d in free if not d.axis.ordered)}
        self._levels = np.array([tree.dimensions[index].axis.levels or 1 for index in self._named], dtype=np.intp)
        self._n = max(2, len(self._ordered))
        self._population = population_size or 4 + math.floor(3 * math.log(self._n + len(self._named)))
        self._optimizer = self._start(self._defaults(), self._population)

    def run(self, parameters: Sequence[Mapping[str, Value]], merits: Sequence[tuple[float, float]]) -> None:
        """Update the state with the finished trials of the last epoch; an incomplete last generation is left out.

        Args:
            parameters: of the trials, in the order in which they finished.
            merits: of the same trials, lower is better.
        """
        length = EPOCH * self._population
        epoch = len(parameters) // length
        first = epoch * length
        if first:
            best = min(range(first), key=merits.__getitem__)
            start, _ = self._coordinates(self._tree.cells(parameters[best]), np.full(self._width, CENTER))
            self._optimizer = self._start(start, self._population)
        rng = np.random.default_rng([abs(self._seed), epoch])
        told: list[tuple[object, tuple[float, float]]] = []
        for values, merit in zip(parameters[first:], merits[first:], strict=True):
            x, named = self._coordinates(self._tree.cells(values), rng.random(self._width))
            told.append(((x, self._one_hot(named)) if self._named else x, merit))
            if len(told) == self._optimizer.population_size:
                self._tell(told)
                told = []
                if self._optimizer.should_stop():
                    size = min(2 * self._optimizer.population_size, _MAX_POPULATION)
                    self._optimizer = self._start(rng.random(self._n), size)

    def reseed(self, seed: int) -> None:
        """Set the seed of the next points."""
        self._optimizer.reseed_rng(seed)

    def draw(self) -> Mapping[str, Value]:
        """Return a point drawn from the present distribution."""
        if self._named:
            x, chosen = self._optimizer.ask()
            categories = np.argmax(chosen, axis=1)
        else:
            x, categories = self._optimizer.ask(), np.empty(0, dtype=np.intp)

        def choose(dimension: Dimension) -> Value:
            axis, index = dimension.axis, dimension.index
            if index in self._ordered:
                return axis.value(min(max(float(x[self._ordered[index]]), 0.0), 1.0))
            if index in self._named:
                return axis.value((int(categories[self._named[index]]) + CENTER) / (axis.levels or 1))
            return axis.value(CENTER)

        return self._tree.point(choose)

    @property
    def _width(self) -> int:
        return self._n + len(self._named)

    def _start(self, mean: Floats, population_size: int) -> Any:
        arguments = {
            "mean": mean,
            "sigma": self._sigma,
            "bounds": np.tile([0.0, 1.0], (self._n, 1)),
            "n_max_resampling": _MAX_RESAMPLING,
            "population_size": population_size,
        }
        if self._named:
            return CatCMA(cat_num=self._levels, **arguments)
        return CMA(**arguments) if self._n <= MAX_FULL else SepCMA(**arguments)

    def _defaults(self) -> Floats:
        """Return the positions of the default values, (n,); the center for parameters without one."""
        mean = np.full(self._n, CENTER)
        for index, place in self._ordered.items():
            axis = self._tree.dimensions[index].axis
            cell = None if axis.kind.default_value is None else axis.cell(axis.kind.default_value)
            if cell is not None:
                mean[place] = sum(cell) / 2
        return mean

    def _coordinates(self, cells: Cells, u: Floats) -> tuple[Floats, list[int]]:
        """Return x and the categories of a trial; where they are not known, `u`, (width,), draws them."""
        x = u[: self._n].copy()
        for index, place in self._ordered.items():
            low, high = cells.get(index, _WHOLE)
            x[place] = low + u[place] * (high - low)
        named = []
        for index, place in self._named.items():
            low, high = cells.get(index, _WHOLE)
            within = low + (high - low) * u[self._n + place]
            named.append(min(int(within * self._levels[place]), int(self._levels[place]) - 1))
        return x, named

    def _one_hot(self, named: Sequence[int]) -> NDArray[np.bool_]:
        result = np.zeros((len(named), int(self._levels.max())), dtype=bool)
        result[np.arange(len(named)), named] = True
        return result

    def _tell(self, told: Sequence[tuple[object, tuple[float, float]]]) -> None:
        # Only ranks matter, and they are finite.
        ranked = sorted(told, key=lambda one: one[1])
        self._optimizer.tell([(solution, float(rank)) for rank, (solution, _) in enumerate(ranked)])
