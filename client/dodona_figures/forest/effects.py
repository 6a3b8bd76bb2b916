"""Shares of parameters in the variance of the results, without the part that is only chance; with NumPy.

    f           what a result is expected to be: a function of the parameters, over the search space
    f_j         the main effect of the parameter j: the mean of f where j has a value, less the mean of all
    A, B        a model of f from one half of the trials, and one from the other half

The functional analysis of variance (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", 2014) takes the variance of f_j of one model. What the model learned from chance counts there too. Here it
is the covariance of f_j of A and f_j of B: the chance in A knows nothing of the chance in B, so a parameter that does
nothing has a share of 0 on average. It is the mean over many ways to halve the trials.

A model is an additive one, ridge regression on smooth functions of each parameter, and a forest for the rest. The
additive part needs few trials; the forest finds steps and what parameters do together. The intervals come from halves
of bootstrap samples (Efron, "Bootstrap Methods", 1979); no trial is in both halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dodona_figures.forest.coding import Column, Points
from dodona_figures.forest.forest import Codes, Flags, Floats, Forest, grow

HALVINGS, TREES = 10, 6
SAMPLES, TREES_OF_SAMPLE = 24, 2
POINTS = 500
# How well the penalty of the ridge regression is known, in powers of ten.
PENALTIES = 10.0 ** np.arange(-2.0, 6.0, 0.5)
MOST_SLOPE = 2.0
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Effects:
    """Shares of the variance of the results over the search space, an entry for each column.

    Args:
        mains: of each main effect.
        lows: the low ends of their 90% intervals.
        highs: the high ends.
        totals: with what the parameter does together with others.
        explained: of all parameters together; the rest is chance, or needs more trials to be seen.
    """

    mains: Floats
    lows: Floats
    highs: Floats
    totals: Floats
    explained: float


def effects_of(columns: Sequence[Column], results: Floats, chance: np.random.Generator) -> Effects:
    """Return the effects of parameters on results that are not all equal.

    Args:
        columns: the parameters.
        results: of the trials.
        chance: of the halves, the forests and the points.
    """
    results = (results - results.mean()) / results.std()
    count = len(results)
    design = np.hstack([column.features for column in columns])
    roughness = np.concatenate([column.roughness for column in columns])
    penalty = _penalty(design, results, roughness) * roughness
    trials = _Trials(columns, design, results, penalty)
    points = Points.draw(columns, POINTS, chance), Points.draw(columns, POINTS, chance)
    whole = _models_of(trials, np.ones((HALVINGS, count)), TREES, chance)
    samples = chance.multinomial(count, np.full(count, 1 / count), SAMPLES).astype(float)
    drawn = _shares(_models_of(trials, samples, TREES_OF_SAMPLE, chance), points)
    level, signal = whole.variance(points[1])
    mains = _mains(whole, points).mean(axis=0) / level
    spread = drawn - np.median(drawn, axis=0)
    return Effects(
        mains=mains,
        lows=mains + np.quantile(spread, 0.05, axis=0),
        highs=mains + np.quantile(spread, 0.95, axis=0),
        totals=_totals(whole, points).mean(axis=0) / level,
        explained=signal / level,
    )


def _penalty(design: Floats, results: Floats, roughness: Floats) -> float:
    """Return the penalty of least error by generalized cross-validation (Golub, Heath and Wahba, 1979)."""
    scaled = (design - design.mean(axis=0)) / np.sqrt(roughness)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    parts = left.T @ results
    errors = []
    for penalty in PENALTIES:
        kept = singular**2 / (singular**2 + penalty)
        freedom = 1 - (1 + kept.sum()) / len(results)
        residuals = results - left @ (kept * parts)
        errors.append(np.mean(residuals**2) / freedom**2 if freedom > 0.05 else np.inf)
    return float(PENALTIES[int(np.argmin(errors))])


@dataclass(frozen=True, slots=True)
class _Trials:
    """Trials: their parameters, the features of these, their results, and the penalty of each feature."""

    columns: Sequence[Column]
    design: Floats
    results: Floats
    penalty: Floats

    @property
    def codes(self) -> Codes:
        return np.stack([column.codes for column in self.columns], axis=1)


@dataclass(frozen=True, slots=True)
class _Models:
    """Pairs of models, of the two halves of the trials: arrays have a row for each pair, and two columns.

    Args:
        columns: the parameters.
        tables: for each parameter, the additive part of each code (pairs x 2 x codes).
        forest: `trees` of each model, one model after the other.
        trees: how many.
        slopes: what the forests are multiplied with. Both parts are, to fit the other half best: models of few trials
            are too flat, and what they learned from chance is worth nothing.
        noise: the mean squared error of each pair in the other halves.
    """

    columns: Sequence[Column]
    tables: Sequence[Floats]
    forest: Forest
    trees: int
    slopes: Floats
    noise: Floats

    def rest(self, codes: Codes) -> Floats:
        """Return the forests' part at points (pairs x 2 x points)."""
        return self.slopes[..., None] * _means(self.forest.predict(codes), len(self.slopes), self.trees)

    def additive(self, codes: Codes) -> Floats:
        """Return the additive part at points (pairs x 2 x points), but for a constant."""
        parts = [table[..., codes[:, index]] for index, table in enumerate(self.tables)]
        found: Floats = np.sum(parts, axis=0)
        return found

    def at(self, codes: Codes) -> Floats:
        """Return what is expected at points (pairs x 2 x points), but for a constant."""
        return self.rest(codes) + self.additive(codes)

    def variance(self, points: Points) -> tuple[float, float]:
        """Return the variance of results over the search space, and the part that is not chance."""
        codes = points.codes(self.columns)
        rest, additive = (part - part.mean(axis=2, keepdims=True) for part in (self.rest(codes), self.additive(codes)))
        mixed = rest[:, 0] * (rest[:, 1] + additive[:, 1]) + additive[:, 0] * rest[:, 1]
        # The parameters of the space are independent, so the variances of the additive parts add up, without error.
        parts = [
            _covariance(column, codes[:, i], table[:, 0, :-1], table[:, 1, :-1])
            for i, (column, table) in enumerate(zip(self.columns, self.tables, strict=True))
        ]
        signal = max(0.0, float(mixed.mean() + np.sum(parts, axis=0).mean()))
        return signal + float(self.noise.mean()), signal


def _covariance(column: Column, codes: Codes, one: Floats, other: Floats) -> Floats:
    """Return the covariance of two effects of a parameter (pairs x codes) over the search space.

    Args:
        column: the parameter.
        codes: of points; where it is not active, it has no effect.
        one: an effect.
        other: another one.
    """
    one, other = (effect - (effect @ column.shares)[:, None] for effect in (one, other))
    active = (codes < len(column.shares)).mean()
    found: Floats = active * (one * other) @ column.shares
    return found


def _means(predicted: Floats, pairs: int, trees: int) -> Floats:
    """Return the means of the trees of each model (pairs x 2 x points)."""
    means: Floats = predicted.reshape(pairs, 2, trees, -1).mean(axis=2)
    return means


def _models_of(trials: _Trials, weights: Floats, trees: int, chance: np.random.Generator) -> _Models:
    """Return a pair of models for each way to weight the trials (rows)."""
    pairs, count = weights.shape
    halves = np.array([_half(count, chance) for _ in range(pairs)])
    sides = np.stack([weights * halves, weights * ~halves], axis=1)
    fits = [[_ridge(trials, side) for side in pair] for pair in sides]
    additive = np.array([[trials.design @ slopes + constant for slopes, constant in pair] for pair in fits])
    seen = np.repeat(sides.reshape(-1, count), trees, axis=0)
    left = np.repeat((trials.results - additive).reshape(-1, count), trees, axis=0)
    names = [column.is_names for column in trials.columns]
    forest = grow(trials.codes, left, seen * chance.poisson(1.0, seen.shape), names, chance)
    others = sides[:, ::-1] > 0
    parts = np.stack([additive, _means(forest.predict(trials.codes), pairs, trees)], axis=2)
    slopes, noise = _calibrated(parts, trials.results, others)
    ends = np.cumsum([len(column.roughness) for column in trials.columns])[:-1]
    effects = np.split(np.array([[one for one, _ in pair] for pair in fits]), ends, axis=2)
    tables = [
        slopes[:, :, 0, None] * (effect @ column.grid.T) for effect, column in zip(effects, trials.columns, strict=True)
    ]
    return _Models(trials.columns, tables, forest, trees, slopes[:, :, 1], noise)


def _half(count: int, chance: np.random.Generator) -> Flags:
    half = np.zeros(count, dtype=np.bool_)
    half[chance.permutation(count)[: count // 2]] = True
    return half


def _ridge(trials: _Trials, weights: Floats) -> tuple[Floats, float]:
    """Return the slopes of the features, and the constant."""
    used = weights > 0
    weight, design, results = weights[used], trials.design[used], trials.results[used]
    middle, mean = weight @ design / weight.sum(), float(weight @ results / weight.sum())
    centered = design - middle
    weighted = centered * weight[:, None]
    slopes = np.linalg.solve(weighted.T @ centered + np.diag(trials.penalty), weighted.T @ (results - mean))
    return slopes, mean - float(middle @ slopes)


def _calibrated(parts: Floats, results: Floats, others: Flags) -> tuple[Floats, Floats]:
    """Return the slopes of the parts of each model in the other half, and the mean squared error of each pair there.

    Args:
        parts: the additive part and the forest's (pairs x 2 x parts x trials).
        results: of the trials.
        others: the trials of the other half (pairs x 2 x trials).
    """
    seen = others[:, :, None, :]
    counts = seen.sum(axis=3, keepdims=True)
    x = np.where(seen, parts - (parts * seen).sum(axis=3, keepdims=True) / counts, 0.0)
    y = np.where(seen, results - (results * seen).sum(axis=3, keepdims=True) / counts, 0.0)[:, :, 0]
    squares = x @ x.swapaxes(2, 3) + _TINY * np.eye(parts.shape[2])
    slopes = np.clip(np.linalg.solve(squares, x @ y[..., None])[..., 0], 0.0, MOST_SLOPE)
    errors = (y - (slopes[..., None] * x).sum(axis=2)) ** 2
    return slopes, (errors.sum(axis=2) / others.sum(axis=2)).mean(axis=1)


def _shares(models: _Models, points: tuple[Points, Points]) -> Floats:
    return _mains(models, points) / models.variance(points[1])[0]


def _mains(models: _Models, points: tuple[Points, Points]) -> Floats:
    """Return the variance of the main effect of each parameter (pairs x parameters).

    The points of the two models differ, so that what is chance in them cancels out too.
    """
    codes = [one.codes(models.columns) for one in points]
    rest = [models.rest(one)[:, side] for side, one in enumerate(codes)]
    mains = []
    for index, (column, table) in enumerate(zip(models.columns, models.tables, strict=True)):
        one, other = (
            table[:, side, :-1] + _by_code(rest[side], codes[side][:, index], len(column.shares)) for side in (0, 1)
        )
        mains.append(_covariance(column, codes[0][:, index], one, other))
    return np.stack(mains, axis=1)


def _by_code(values: Floats, codes: Codes, count: int) -> Floats:
    """Return the mean of values (pairs x points) at each code; the mean of all where there is none."""
    flags = (codes[:, None] == np.arange(count)).astype(float)
    counts = flags.sum(axis=0)
    active = codes < count
    mean = values[:, active].mean(axis=1, keepdims=True) if active.any() else 0.0
    return np.where(counts > 0, values @ flags / np.maximum(counts, 1.0), mean)


def _totals(models: _Models, points: tuple[Points, Points]) -> Floats:
    """Return the variance that goes with each parameter (pairs x parameters): Jansen's estimator, 1999."""
    here = models.at(points[1].codes(models.columns))
    totals = []
    for index in range(len(models.columns)):
        moved = models.at(points[1].but(index, points[0]).codes(models.columns)) - here
        totals.append((moved[:, 0] * moved[:, 1]).mean(axis=1) / 2)
    return np.stack(totals, axis=1)
