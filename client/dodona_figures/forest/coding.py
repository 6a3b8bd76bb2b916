"""Parameters as columns of small codes, and random points of a search space; with NumPy.

position    of a value, from 0 to 1: on its parameter's axis, or by its index among a few values
code        the bin of the position, or the index of a name; one more than the last for "not active"
features    smooth functions of the position, or a flag for each name; zero where the parameter is not active.
            Those of one parameter are orthonormal for positions spread evenly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dodona_figures.axes import Axis, axes_of
from dodona_figures.forest.forest import Codes, Flags, Floats
from dodona_figures.records import Parameter, Study, Trial, Value

# A range has so many bins of equal width, and as many with equal numbers of trials.
BINS = 12
# Up to so many numbers have a code each.
FEW = 2 * BINS
# More names become one: "any other".
MOST_NAMES = 24
WAVES = 6
# Of a range, to see where a search has gathered, and the weight of a trial where it has seldom been.
PARTS, MOST_WEIGHT = 4, 30.0


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter.

    Args:
        name: its name.
        is_names: whether its codes have no order.
        codes: of the trials.
        shares: how likely each code is in the search space where the parameter is active.
        features: of the trials (trials x features).
        grid: the features of each code, the one for "not active" last.
        roughness: of each feature; rougher ones need more evidence.
        conditions: columns and codes of parents: it is active if one of them holds. Empty if it always is.
    """

    name: str
    is_names: bool
    codes: Codes
    shares: Floats
    features: Floats
    grid: Floats
    roughness: Floats
    conditions: Sequence[tuple[int, Codes]]

    @property
    def active(self) -> Flags:
        """Mask of the trials in which the parameter is active."""
        return self.codes < len(self.shares)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Mapping of a parameter's values to positions and codes.

    `indexes` are of a few values or of names; `edges` are between the codes.
    """

    axis: Axis
    indexes: Mapping[Value, int] | None
    edges: Floats

    def position(self, value: Value) -> float:
        if self.indexes is None:
            return self.axis.place(value) or 0.0
        key = str(value) if self.axis.kind == "category" else value
        return (self.indexes.get(key, len(self.edges)) + 0.5) / (len(self.edges) + 1)

    def codes(self, values: Sequence[Value]) -> Codes:
        return np.searchsorted(self.edges, np.array([self.position(value) for value in values]), side="right")


def columns_of(study: Study, trials: Sequence[Trial]) -> list[Column]:
    """Return the parameters that differ between trials as columns, parents before their children.

    Args:
        study: declares the parameters.
        trials: at least one.
    """
    declared = {parameter.name: parameter for parameter in study.parameters}
    columns, scales = list[Column](), dict[str, tuple[int, _Scale]]()
    # A parameter that the space does not declare may depend on any that all trials have.
    for axis in sorted(axes_of(study, trials), key=lambda axis: axis.conditional and axis.name not in declared):
        parameter = declared.get(axis.name, Parameter(axis.name))
        values = [trial.parameters.get(axis.name) for trial in trials]
        known = [value for value in values if value is not None]
        if len(set(known)) < 2 and len(known) == len(values):
            continue
        scale = _scale_of(axis, parameter, known)
        conditions = [
            (scales[parent][0], scales[parent][1].codes(wanted))
            for parent, wanted in parameter.conditions
            if parent in scales
        ]
        conditions = conditions or _observed_condition(np.array([value is not None for value in values]), columns)
        scales[axis.name] = len(columns), scale
        columns.append(_column(scale, values, conditions))
    return columns


def _observed_condition(active: Flags, columns: Sequence[Column]) -> list[tuple[int, Codes]]:
    """Return the parent's codes under which a parameter is active, if they decide it in all trials; else nothing."""
    if not active.all():
        for index, column in enumerate(columns):
            codes = np.unique(column.codes[active])
            if not np.isin(column.codes[~active], codes).any():
                return [(index, codes)]
    return []


def _scale_of(axis: Axis, parameter: Parameter, known: Sequence[Value]) -> _Scale:
    few: Sequence[Value] | None = None
    if axis.kind == "category":
        seen = Counter(map(str, known))
        # Those that trials have most often, if there are too many.
        few = sorted(axis.categories, key=lambda name: -seen[name]) if len(axis.categories) > FEW else axis.categories
        few = few[:MOST_NAMES]
    elif parameter.choices and len(parameter.choices) <= FEW:
        few = sorted({float(value) for value in [*parameter.choices, *known]})
    elif axis.whole and axis.kind == "linear" and (axis.high or 0.0) - (axis.low or 0.0) < FEW:
        few = [float(value) for value in range(int(axis.low or 0), int(axis.high or 0) + 1)]
    if few is None:
        return _Scale(axis, None, _edges(np.array([axis.place(value) for value in known], dtype=float)))
    count = len(few) + (axis.kind == "category" and len(axis.categories) > len(few))
    return _Scale(axis, {value: index for index, value in enumerate(few)}, np.arange(1, count) / count)


def _edges(positions: Floats) -> Floats:
    """Return where the bins of a range meet: finer where there are many trials."""
    bins = min(BINS, 2 + len(positions) // 10)
    inner = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    edges = np.unique(np.concatenate([inner, np.quantile(positions, inner)]))
    # A bin that is almost nothing would have no trial.
    return edges[(np.diff(edges, prepend=0.0) > 1e-6) & (edges < 1 - 1e-6)]


def _column(scale: _Scale, values: Sequence[Value | None], conditions: Sequence[tuple[int, Codes]]) -> Column:
    known = np.array([value is not None for value in values])
    positions = np.array([0.0 if value is None else scale.position(value) for value in values])
    bounds = np.array([0.0, *scale.edges, 1.0])
    count = len(scale.edges) + 1
    codes = np.where(known, np.searchsorted(scale.edges, positions, side="right"), count)
    is_names = scale.axis.kind == "category"
    spare = len(scale.axis.categories) - len(scale.indexes or ()) if is_names else 0
    likely = [1.0] * (count - 1) + [float(spare)] if spare else np.diff(bounds).tolist()
    shares = np.array(likely) / sum(likely)
    if is_names:
        grid = np.vstack([np.eye(count), np.zeros(count)]) * np.sqrt(count)
        roughness: Floats = np.ones(count)
        features = grid[codes]
    else:
        waves = np.arange(1, min(WAVES, count - 1) + 1)
        middles = np.append((bounds[1:] + bounds[:-1]) / 2, 0.0)
        features, grid = (np.sqrt(2) * np.cos(np.pi * places[:, None] * waves) for places in (positions, middles))
        features[~known], grid[-1], roughness = 0.0, 0.0, waves.astype(np.float64) ** 2
    return Column(scale.axis.name, is_names, codes, shares, features, grid, roughness, conditions)


def evening(columns: Sequence[Column]) -> Floats:
    """Return weights of the trials that undo where a search has gathered: large ones where it has seldom been."""
    weights = np.ones(len(columns[0].codes))
    for column in columns:
        # Coarse parts, so that few trials are enough.
        middles = np.cumsum(column.shares) - column.shares / 2
        parts = np.arange(len(middles)) if column.is_names else (PARTS * middles).astype(int)
        shares = np.bincount(parts, column.shares)
        active = column.active
        counts = np.bincount(parts[column.codes[active]], minlength=len(shares))
        weights[active] *= (shares / np.maximum(counts, 1))[parts[column.codes[active]]] * active.sum()
    return np.clip(weights, 1 / MOST_WEIGHT, MOST_WEIGHT)


@dataclass(frozen=True, slots=True)
class Points:
    """Random points of the search space.

    Args:
        drawn: the code of each parameter (columns), as if all were active.
        like: a trial for each point; a parameter without a known condition is active if it is in that trial.
    """

    drawn: Codes
    like: Codes

    @classmethod
    def draw(cls, columns: Sequence[Column], count: int, chance: np.random.Generator) -> Points:
        """Return `count` points, a Latin hypercube: the values of each parameter are spread evenly."""
        drawn = []
        for column in columns:
            places = (chance.permutation(count) + 0.5) / count
            drawn.append(np.searchsorted(np.cumsum(column.shares)[:-1], places, side="right"))
        return cls(np.stack(drawn, axis=1), chance.integers(0, len(columns[0].codes), count))

    def but(self, index: int, other: Points) -> Points:
        """Return the points with one parameter's values from other points."""
        drawn = self.drawn.copy()
        drawn[:, index] = other.drawn[:, index]
        return Points(drawn, self.like)

    def codes(self, columns: Sequence[Column]) -> Codes:
        """Return the code of each parameter (columns), with those for "not active"."""
        codes = self.drawn.copy()
        for index, column in enumerate(columns):
            active = column.active[self.like]
            if column.conditions:
                active = np.any([np.isin(codes[:, parent], wanted) for parent, wanted in column.conditions], axis=0)
            codes[~active, index] = len(column.shares)
        return codes
