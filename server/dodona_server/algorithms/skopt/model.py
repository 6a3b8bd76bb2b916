"""scikit-optimize's optimizer over a tree of conditions.

Symbols: n trials; x a list of coordinates, one for each dimension with more than one value: a position in the unit
interval, or the index of a category.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.utils import RegressorTags
from skopt import Optimizer
from skopt.learning import GradientBoostingQuantileRegressor
from skopt.space import Categorical, Real
from skopt.utils import cook_estimator

from dodona_server.algorithms.space.tree import Dimension, Tree
from dodona_server.algorithms.space.unit_interval import CENTER
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Coordinates = list[float | int]

# Above this number, a column for each category is too much for a model; the categories then count as ordered.
MAX_CATEGORIES = 50
# Losses are clipped to this range around the median, in interquartile ranges.
_FAR_WORSE, _FAR_BETTER = 5.0, -1e3


@dataclass(frozen=True, slots=True)
class SkoptSettings:
    """Settings of a search.

    Args:
        estimator: the name of the model in scikit-optimize.
        arguments: of the model.
        acq_optimizer: the method that optimizes the acquisition function.
        acquisition: the name and arguments of the acquisition function, and the arguments of its optimization.
    """

    estimator: str
    arguments: Mapping[str, Option]
    acq_optimizer: str
    acquisition: Mapping[str, Option]


class Model:
    """A fitted optimizer.

    Args:
        tree: the space; at least one of its parameters has two values.
        settings: of the search.
        seed: of all random numbers.
    """

    def __init__(self, tree: Tree, settings: SkoptSettings, seed: int) -> None:
        self._tree = tree
        self._free = [dimension for dimension in tree.dimensions if dimension.axis.levels != 1]
        self._column = {dimension.index: column for column, dimension in enumerate(self._free)}
        acquisition = settings.acquisition
        space = [_dimension(dimension) for dimension in self._free]
        self._seed = seed
        self._optimizer = Optimizer(
            space,
            base_estimator=_estimator(settings, space, seed),
            n_initial_points=0,
            acq_func=acquisition["acq_func"],
            acq_optimizer=settings.acq_optimizer,
            acq_func_kwargs={"xi": acquisition["xi"], "kappa": acquisition["kappa"]},
            acq_optimizer_kwargs={
                "n_points": acquisition["n_points"],
                "n_restarts_optimizer": acquisition["n_restarts_optimizer"],
            },
            random_state=seed,
            model_queue_size=1,
            avoid_duplicates=False,
        )
        self._points: list[Coordinates] = []
        self._losses: list[float] = []
        self._best = 0.0
        self._fitted = False

    def learn(self, parameters: Sequence[Mapping[str, Value]], merits: Sequence[tuple[float, float]]) -> None:
        """Set the finished trials.

        Args:
            parameters: the trials'.
            merits: of the same trials, lower is better.
        """
        self._points = [self._coordinates(values) for values in parameters]
        self._losses = [float(loss) for loss in tame(merits)]
        self._best = min(self._losses)

    def assume(self, parameters: Sequence[Mapping[str, Value]]) -> None:
        """Add running trials, with the best loss so far as their result."""
        self._points += [self._coordinates(values) for values in parameters]
        self._losses += [self._best] * len(parameters)
        self._fitted = False

    def propose(self) -> Mapping[str, Value]:
        """Return the point with the best acquisition, a different one at every call."""
        with warnings.catch_warnings():
            # Both packages warn of what cannot be avoided here: bounds reached, repeated points.
            warnings.simplefilter("ignore")
            return self._point(self._ask())

    def _ask(self) -> Coordinates:
        if self._fitted:
            # The best point is already taken: return a random one.
            (x,) = self._optimizer.space.rvs(1, random_state=self._optimizer.rng)
            return list(x)
        self._optimizer.Xi, self._optimizer.yi = [], []
        self._optimizer.tell(self._points, self._losses)
        self._fitted = True
        return list(self._optimizer.ask())

    def _coordinates(self, values: Mapping[str, Value]) -> Coordinates:
        cells = self._tree.cells(values)
        x: Coordinates = []
        for dimension in self._free:
            axis = dimension.axis
            cell = cells.get(dimension.index)
            if cell is None and axis.kind.default_value is not None:
                cell = axis.cell(axis.kind.default_value)
            place = CENTER if cell is None else sum(cell) / 2
            x.append(int(place * (axis.levels or 1)) if _named(dimension) else place)
        return x

    def _point(self, x: Coordinates) -> Mapping[str, Value]:
        def choose(dimension: Dimension) -> Value:
            column = self._column.get(dimension.index)
            if column is None:
                return dimension.axis.value(CENTER)
            place = (x[column] + CENTER) / (dimension.axis.levels or 1) if _named(dimension) else x[column]
            return dimension.axis.value(min(max(float(place), 0.0), 1.0))

        return self._tree.point(choose)


def tame(merits: Sequence[tuple[float, float]]) -> Floats:
    """Return losses (n,) that a model can be fitted to: finite, of order 1, in the order of the merits.

    Unsafe and infeasible trials are as bad as the worst safe one.
    """
    violation, loss = np.array(merits, dtype=np.float64).T
    valid = np.isfinite(loss) & (violation <= 0)
    if not valid.any():
        valid = np.isfinite(loss)
    known = loss[valid]
    scale = max(float(np.abs(known).max()), np.finfo(np.float64).tiny)
    known = known / scale  # differences of huge values would overflow
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    # If most losses are equal, the interquartile range is 0.
    width = (high - low) or known.std() or 1.0
    result = np.empty(len(loss))
    result[valid] = np.clip((known - middle) / width, _FAR_BETTER, _FAR_WORSE)
    result[~valid] = result[valid].max()
    return result


def _named(dimension: Dimension) -> bool:
    levels = dimension.axis.levels
    return not dimension.axis.ordered and levels is not None and levels <= MAX_CATEGORIES


def _dimension(dimension: Dimension) -> Real | Categorical:
    if _named(dimension):
        return Categorical(list(range(dimension.axis.levels or 1)))
    return Real(0.0, 1.0)


class Quantiles(GradientBoostingQuantileRegressor):  # type: ignore[misc]
    """scikit-optimize's boosted quantiles, corrected for newer versions of scikit-learn and NumPy.

    Since scikit-learn 1.6 the order of its base classes hides that it is a regressor, and `predict` calls a function
    that NumPy 2.4 no longer has.
    """

    def __sklearn_tags__(self) -> Any:
        """Return the tags of a regressor."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        return tags

    def predict(self, X: Floats, return_std: bool = False, return_quantiles: bool = False) -> Any:  # noqa: N803
        """Return the median at `X`, (n, d); also half the distance of the outer quantiles, or all quantiles (n, 3)."""
        low, middle, high = (regressor.predict(X) for regressor in self.regressors_)
        if return_quantiles:
            return np.array([low, middle, high]).T
        return (middle, (high - low) / 2) if return_std else middle


def _estimator(settings: SkoptSettings, space: Sequence[Real | Categorical], seed: int) -> object:
    if settings.estimator == "GBRT":
        trees = GradientBoostingRegressor(loss="quantile", **settings.arguments)
        return Quantiles(base_estimator=trees, random_state=seed)
    return cook_estimator(settings.estimator, space=space, random_state=seed, **settings.arguments)
