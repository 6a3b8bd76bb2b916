"""Models of a study: of its objective, of its safety metrics, and of failures."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dodona_server.algorithms.gp.acquisition.acquisition import STEEPNESS, Acquisition, Constraint, Limit
from dodona_server.algorithms.gp.acquisition.price import Price, price_of
from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.call import Search
from dodona_server.algorithms.gp.data.encoding import Encoding, Point
from dodona_server.algorithms.gp.data.features import Features
from dodona_server.algorithms.gp.data.hints import Hints, exponent
from dodona_server.algorithms.gp.data.history import MOST, History, Rows, choose, columns, early, limit
from dodona_server.algorithms.gp.model.fit import fit
from dodona_server.algorithms.gp.model.likelihood import Hyperparameters, NoisePrior
from dodona_server.algorithms.gp.model.outputs import HUGE, finite
from dodona_server.algorithms.gp.model.surrogate import Surrogate
from dodona_server.algorithms.gp.model.targets import target, weights
from dodona_server.algorithms.gp.model.transfer import predictors

FANTASIES = 16
SEEDS = 8
# The largest number of observations in a model of failures.
MOST_LABELS = 128
# This many observations determine the hyperparameters well enough.
MOST_FITTED = 128
LABEL_NOISE = NoisePrior(median=0.05, spread=1.5, low=1e-3)


@dataclass(frozen=True, slots=True)
class Observations:
    """Points, what was observed there, standardized, and the noise variance of each besides the common one."""

    points: Sequence[Point]
    y: Array
    extra: Array | None = None


@dataclass(frozen=True, slots=True)
class FittedModel:
    """Observations of a quantity, and the hyperparameters of its model.

    Args:
        z: positions, n x a.
        active: n x a.
        y: the quantity, standardized, n.
        hyper: fitted to the observations.
        basis: earlier studies' models of the quantity.
        extra: noise variance of each observation besides the common one, n; None for none.
    """

    z: Array
    active: Mask
    y: Array
    hyper: Hyperparameters
    basis: Sequence[Surrogate] = ()
    extra: Array | None = None

    def surrogate(self, encoding: Encoding) -> Surrogate:
        """Return the model given the observations."""
        features = Features(encoding, self.z, self.active)
        return Surrogate(features, self.hyper, self.z, self.active, self.y[:, None], self.basis, self.extra)

    def _with(
        self, encoding: Encoding, z: Array, active: Mask, expected: Array | None, normal: Array | None
    ) -> Surrogate:
        """Return the model given also observations at `z`, q x a: those expected, q x 1, or draws from `normal`."""
        every_z, every_active = np.concatenate([self.z, z]), np.concatenate([self.active, active])
        y = self.y[:, None] if expected is None else np.concatenate([self.y[:, None], expected])
        extra = None if self.extra is None else np.concatenate([self.extra, np.zeros(len(z))])
        features = Features(encoding, every_z, every_active)
        return Surrogate(features, self.hyper, every_z, every_active, y, self.basis, extra, normal=normal)

    def with_expected(self, encoding: Encoding, z: Array, active: Mask) -> Surrogate:
        """Return the model given also that trials at `z`, q x a, give the results it expects."""
        known = self.surrogate(encoding)
        return self._with(encoding, z, active, known.mean(z, active), None) if len(z) else known

    def with_pending(self, encoding: Encoding, z: Array, active: Mask, generator: np.random.Generator) -> Surrogate:
        """Return the model given also `FANTASIES` joint draws of the results of trials at `z`, q x a."""
        if not len(z):
            return self.surrogate(encoding)
        return self._with(encoding, z, active, None, generator.standard_normal((len(z), FANTASIES)))


@dataclass(frozen=True, slots=True)
class StudyModels:
    """All models for a suggestion.

    Args:
        encoding: the space's.
        objective: None while no trial has succeeded.
        eligible: which observations of the objective satisfy the constraints, n.
        constraints: the model of each constrained quantity with its limit.
        seeds: positions of the best trials, best first, k x a.
        rows: the rows of the history that the first observations of the objective are.
        hints: what people believe.
        power: of the density of the hints.
        price: of points; None if their duration does not matter.
    """

    encoding: Encoding
    objective: FittedModel | None
    eligible: Mask
    constraints: Sequence[tuple[FittedModel, Limit]]
    seeds: Array
    rows: Rows
    hints: Hints
    power: float
    price: Price | None = None

    @property
    def criterion(self) -> str:
        """Criterion for which the acquisition function is large, in words."""
        if self.objective is None:
            return "most likely safe and feasible, since no trial is yet"
        return "largest expected improvement" if self.price is None else "largest expected improvement for its duration"

    @property
    def pace(self) -> Array:
        """Length scale of each axis, a."""
        pace = np.ones(self.encoding.size)
        if self.objective is not None:
            features = Features(self.encoding, self.objective.z, self.objective.active)
            pace[features.axes] = self.objective.hyper.length
        return pace

    def acquisition(self, pending: Sequence[Point], generator: np.random.Generator) -> Acquisition:
        """Return the acquisition function, given the pending trials."""
        z, active = self.encoding.encode(pending)
        # The objective's fantasies keep workers apart. Without an objective the constraints have to.
        known = len(z) if self.objective is None else 0
        constraints = [
            Constraint(fitted.with_expected(self.encoding, z[:known], active[:known]), limit)
            for fitted, limit in self.constraints
        ]
        if self.objective is None:
            return Acquisition(None, np.zeros(1), constraints, self.hints, self.power, self.price)
        model = self.objective.with_pending(self.encoding, z, active, generator)
        eligible = np.concatenate([self.eligible, np.ones(len(z), dtype=bool)])
        fitted = model.fitted
        if self.encoding.pinned:
            # Within a context, the best point elsewhere may be out of reach.
            there = self.encoding.snap(model.z)
            fitted = model.mean(there, self.encoding.activity(there))
        best = fitted[eligible].min(axis=0)
        return Acquisition(model, best, constraints, self.hints, self.power, self.price)


def build(search: Search, noise: NoisePrior) -> StudyModels:
    """Fit the models to a study's history, and return them.

    Args:
        search: the study.
        noise: the prior of the objective's noise.

    Raises:
        numpy.linalg.LinAlgError: a kernel matrix could not be inverted.
    """
    problem, encoding, history, generator = search.problem, search.encoding, search.history, search.generator
    spec, dimensions = problem.spec, search.dimensions
    succeeded = np.flatnonzero(history.feasible)
    wanted = history.values[:, columns(spec)]
    rows = succeeded[_chosen(wanted[succeeded], generator)] if len(succeeded) else succeeded
    constraints: list[tuple[FittedModel, Limit]] = []
    objective, eligible = None, np.ones(len(rows), dtype=bool)
    if len(rows):
        weighting = weights(wanted.shape[1], generator)
        basis = predictors(spec, encoding, problem.priors, weighting, generator)
        objective = _objective_model(search, rows, weighting, noise, basis)
        for index, metric in enumerate(spec.metrics):
            if metric.safety is not None:
                values, most = _centered(history.values[rows, index], limit(metric))
                eligible &= values <= most
                power = _power(metric.safety.desired_min_safe_trials_fraction, float(np.mean(values <= most)))
                fitted = _fit_model(encoding, Observations(history.points(rows), values), noise, dimensions)
                constraints.append((fitted, Limit(most, power)))
        if not eligible.any():
            objective, eligible = None, eligible[:0]
    if len(succeeded) < len(history.trials):
        constraints.append((_failures(encoding, history, dimensions, generator), Limit(0.5, steepness=STEEPNESS)))
    if objective is not None:
        bad = [*history.points(np.flatnonzero(~history.feasible)[-MOST_LABELS:]), *search.stopped[-MOST:]]
        objective = _with_bad(encoding, objective, bad, float(objective.y[: len(eligible)][eligible].min()))
        eligible = np.concatenate([eligible, np.zeros(len(objective.y) - len(eligible), dtype=bool)])
    seeds = _seeds(encoding, history, objective, eligible)
    power = search.trust * exponent(spec, len(history.trials))
    price = price_of(search)
    return StudyModels(encoding, objective, eligible, constraints, seeds, rows, search.hints, power, price)


def _chosen(values: Array, generator: np.random.Generator) -> Rows:
    """Return the observations to model, by their mean rank over the objectives."""
    if len(values) <= MOST:
        return np.arange(len(values))
    rank = np.mean([np.argsort(np.argsort(finite(column))) for column in values.T], axis=0)
    return choose(rank, MOST, generator)


def _objective_model(
    search: Search, rows: Rows, weighting: Array, noise: NoisePrior, basis: Sequence[Surrogate]
) -> FittedModel:
    """Return the model of the objective: of the completed trials `rows`, then of what is predicted for others."""
    history, values = search.history, search.history.values[:, columns(search.problem.spec)]
    fit_model = functools.partial(_fit_model, search.encoding, noise=noise, dimensions=search.dimensions, basis=basis)
    points = history.points(rows)
    if not search.partial:
        known = Observations(points, target(values[rows], weighting))
        # Random weights of several objectives, and samples of earlier studies, leave nothing to remember.
        first = _first_rows(history, values) if len(weighting) == 1 and not basis else rows[:0]
        if not len(first):
            return fit_model(known)
        seen = Observations(history.points(first), target(values[first], weighting))
        start = _hyperparameters(search.encoding, seen, noise, search.dimensions, basis)
        return fit_model(known, start=start)
    predicted = np.array([(one.loss, one.deviation) for _, one in search.partial])
    every = np.concatenate([values[rows], predicted[:, :1]])
    y = target(every, weighting)
    extra = np.zeros(len(y))
    extra[len(rows) :] = _warped_deviations(every[:, 0], y, predicted) ** 2
    points += [point for point, _ in search.partial]
    return fit_model(Observations(points, y, extra))


def _first_rows(history: History, values: Array) -> Rows:
    """Return the rows that the fit of a single objective begins with; none of a short history."""
    succeeded = np.flatnonzero(history.feasible)
    first = succeeded[: early(len(succeeded))]
    # Not the search's generator: the choice has to be the same until there are `STEP` further results.
    return first[_chosen(values[first], np.random.default_rng(len(first)))]


def _warped_deviations(values: Array, y: Array, predicted: Array) -> Array:
    """Return the standard deviations of the predictions, in the units of the target `y` of `values`."""
    order = np.argsort(values, kind="stable")
    mean, deviation = predicted.T
    low, high = (np.interp(mean + sign * deviation, values[order], y[order]) for sign in (-1, 1))
    return np.asarray((high - low) / 2)


def _fit_model(
    encoding: Encoding,
    known: Observations,
    noise: NoisePrior,
    dimensions: float,
    basis: Sequence[Surrogate] = (),
    start: Hyperparameters | None = None,
) -> FittedModel:
    z, active = encoding.encode(known.points)
    hyper = _hyperparameters(encoding, known, noise, dimensions, basis, start)
    return FittedModel(z, active, known.y, hyper, basis, known.extra)


def _hyperparameters(
    encoding: Encoding,
    known: Observations,
    noise: NoisePrior,
    dimensions: float,
    basis: Sequence[Surrogate],
    start: Hyperparameters | None = None,
) -> Hyperparameters:
    """Return hyperparameters fitted to the observations, or to a sample of many."""
    points, y, extra = known.points, known.y, known.extra
    if len(y) > MOST_FITTED:
        # The best, from the region that matters, and others spread evenly over the rest.
        best = np.argsort(y, kind="stable")[: MOST_FITTED // 2]
        others = np.setdiff1d(np.arange(len(y)), best)
        sample = np.union1d(best, others[np.linspace(0, len(others) - 1, MOST_FITTED - len(best)).astype(int)])
        points, y, extra = [points[row] for row in sample], y[sample], None if extra is None else extra[sample]
    z, active = encoding.encode(points)
    features = Features(encoding, z, active)
    predicted = np.concatenate([np.empty((len(y), 0)), *[model.mean(z, active) for model in basis]], axis=1)
    return fit(features, features(z, active), y, predicted, dimensions, noise, extra=extra, start=start)


def _with_bad(encoding: Encoding, objective: FittedModel, points: Sequence[Point], best: float) -> FittedModel:
    """Add failed and stopped trials to the objective as no better than the best, so that it does not improve there."""
    if not points:
        return objective
    z, active = encoding.encode(points)
    expected = objective.surrogate(encoding).mean(z, active)[:, 0]
    return replace(
        objective,
        z=np.concatenate([objective.z, z]),
        active=np.concatenate([objective.active, active]),
        y=np.concatenate([objective.y, np.maximum(expected, best)]),
        extra=None if objective.extra is None else np.concatenate([objective.extra, np.zeros(len(points))]),
    )


def _failures(encoding: Encoding, history: History, dimensions: float, generator: np.random.Generator) -> FittedModel:
    """Return the model of failures: 1 for a failed trial, 0 for a succeeded one; above 0.5 predicts a failure."""
    failed = ~history.feasible
    # Prefer failures in a long history, since they are to be avoided.
    rows = choose(np.where(failed, 0.0, 1.0) + 1e-9 * np.arange(len(failed)), MOST_LABELS, generator)
    labels = failed[rows].astype(float)
    return _fit_model(encoding, Observations(history.points(rows), labels), LABEL_NOISE, dimensions)


def _centered(values: Array, most: float) -> tuple[Array, float]:
    """Return the values of a safety metric and its limit in units of the values' spread; safe values stay safe."""
    values = finite(values)
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle))) * 1.5 or float(values.std()) or 1.0
    scaled, bound = (values - middle) / spread, float(np.clip((most - middle) / spread, -HUGE, HUGE))
    # Compress far values by a logarithm that is linear near 0; the order is kept.
    warped = np.sign(scaled) * np.log1p(np.abs(scaled))
    limit_warped = float(np.sign(bound) * np.log1p(abs(bound)))
    mean, deviation = float(warped.mean()), float(warped.std()) or 1.0
    return (warped - mean) / deviation, (limit_warped - mean) / deviation


def _power(desired: float | None, share: float) -> float:
    """Return the weight of a safety constraint: larger while fewer trials are safe than desired."""
    return 1.0 if desired is None or share >= desired else 1.0 + 4.0 * (desired - share)


def _seeds(encoding: Encoding, history: History, objective: FittedModel | None, eligible: Mask) -> Array:
    if objective is None:
        latest = np.arange(max(0, len(history.trials) - SEEDS), len(history.trials))
        return encoding.snap(encoding.encode(history.points(latest))[0])
    order = np.argsort(np.where(eligible, objective.y, np.inf), kind="stable")[:SEEDS]
    return encoding.snap(objective.z[order])
