"""The models of one study at one moment: of its objective, its safety metrics, and where trials fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dodona_server.algorithms.contract.algorithm import Problem
from dodona_server.algorithms.gp.acquisition import STEEPNESS, Acquisition, Constraint, Limit
from dodona_server.algorithms.gp.axes import Array, Mask
from dodona_server.algorithms.gp.encoding import Encoding, Point
from dodona_server.algorithms.gp.features import Features
from dodona_server.algorithms.gp.fit import fit
from dodona_server.algorithms.gp.history import MOST, History, Rows, choose, columns, limit
from dodona_server.algorithms.gp.likelihood import Hyperparameters, NoisePrior
from dodona_server.algorithms.gp.outputs import HUGE, finite
from dodona_server.algorithms.gp.surrogate import Surrogate
from dodona_server.algorithms.gp.targets import target, weights
from dodona_server.algorithms.gp.transfer import predictors

FANTASIES = 16
SEEDS = 8
# Observations that a model of where trials fail is fitted to.
MOST_LABELS = 128
# Hyperparameters are known well enough from this many observations, and their fit is what costs most.
MOST_FITTED = 128
LABEL_NOISE = NoisePrior(median=0.05, spread=1.5, low=1e-3)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A quantity's observations with the hyperparameters of its model.

    Args:
        z: places, n x a.
        active: n x a.
        y: the quantity, standardised, n.
        hyper: fitted to them.
        basis: earlier studies' models of it.
    """

    z: Array
    active: Mask
    y: Array
    hyper: Hyperparameters
    basis: Sequence[Surrogate] = ()

    def surrogate(self, encoding: Encoding) -> Surrogate:
        """The model given the observations alone."""
        features = Features(encoding, self.z, self.active)
        return Surrogate(features, self.hyper, self.z, self.active, self.y[:, None], self.basis)

    def with_expected(self, encoding: Encoding, z: Array, active: Mask) -> Surrogate:
        """The model given besides that trials at `z`, q x a, bring what it expects, which it is then surer of."""
        known = self.surrogate(encoding)
        if not len(z):
            return known
        every_z, every_active = np.concatenate([self.z, z]), np.concatenate([self.active, active])
        y = np.concatenate([self.y[:, None], known.mean(z, active)])
        return Surrogate(Features(encoding, every_z, every_active), self.hyper, every_z, every_active, y, self.basis)

    def with_pending(self, encoding: Encoding, z: Array, active: Mask, generator: np.random.Generator) -> Surrogate:
        """The model given besides what trials at `z`, q x a, may bring, in `FANTASIES` joint draws."""
        if not len(z):
            return self.surrogate(encoding)
        every_z, every_active = np.concatenate([self.z, z]), np.concatenate([self.active, active])
        features = Features(encoding, every_z, every_active)
        known = Surrogate(features, self.hyper, self.z, self.active, self.y[:, None], self.basis)
        drawn = known.draws(z, active, generator.standard_normal((len(z), FANTASIES)))
        y = np.concatenate([np.repeat(self.y[:, None], FANTASIES, axis=1), drawn])
        return Surrogate(features, self.hyper, every_z, every_active, y, self.basis)


@dataclass(frozen=True, slots=True)
class Models:
    """All that a suggestion is made from.

    Args:
        encoding: the space's.
        objective: None while no trial has succeeded.
        eligible: which observations of the objective keep the constraints, n.
        constraints: each quantity with its limit.
        seeds: places of the best trials, best first, k x a.
    """

    encoding: Encoding
    objective: Fitted | None
    eligible: Mask
    constraints: Sequence[tuple[Fitted, Limit]]
    seeds: Array

    @property
    def pace(self) -> Array:
        """The length scale of each axis, a."""
        pace = np.ones(self.encoding.size)
        if self.objective is not None:
            features = Features(self.encoding, self.objective.z, self.objective.active)
            pace[features.axes] = self.objective.hyper.length
        return pace

    def acquisition(self, pending: Sequence[Point], generator: np.random.Generator) -> Acquisition:
        """What to maximise, given the trials whose results are to come."""
        z, active = self.encoding.encode(pending)
        # Without an objective, which takes account of pending trials best, the constraints have to keep workers apart.
        known = len(z) if self.objective is None else 0
        constraints = [
            Constraint(fitted.with_expected(self.encoding, z[:known], active[:known]), limit)
            for fitted, limit in self.constraints
        ]
        if self.objective is None:
            return Acquisition(None, np.zeros(1), constraints)
        model = self.objective.with_pending(self.encoding, z, active, generator)
        eligible = np.concatenate([self.eligible, np.ones(len(z), dtype=bool)])
        fitted = model.fitted
        if self.encoding.pinned:
            # Within a context, what is best elsewhere may be out of reach.
            there = self.encoding.snap(model.z)
            fitted = model.mean(there, self.encoding.activity(there))
        return Acquisition(model, fitted[eligible].min(axis=0), constraints)


def build(
    problem: Problem,
    encoding: Encoding,
    history: History,
    noise: NoisePrior,
    dimensions: float,
    generator: np.random.Generator,
) -> Models:
    """Fits the models to a study's history.

    Args:
        problem: the study's.
        encoding: of its space.
        history: its finished trials.
        noise: the prior of the objective's noise.
        dimensions: active dimensions of a point, on average.
        generator: of samples and of the weights of several objectives.

    Raises:
        numpy.linalg.LinAlgError: a kernel matrix could not be inverted.
    """
    spec = problem.spec
    succeeded = np.flatnonzero(history.feasible)
    wanted = history.values[:, columns(spec)]
    rows = succeeded[_chosen(wanted[succeeded], generator)] if len(succeeded) else succeeded
    constraints: list[tuple[Fitted, Limit]] = []
    objective, eligible = None, np.ones(len(rows), dtype=bool)
    if len(rows):
        weighting = weights(wanted.shape[1], generator)
        basis = predictors(spec, encoding, problem.priors, weighting, generator)
        objective = _fitted(encoding, history, rows, target(wanted[rows], weighting), noise, dimensions, basis)
        for index, metric in enumerate(spec.metrics):
            if metric.safety is not None:
                values, most = _centred(history.values[rows, index], limit(metric))
                eligible &= values <= most
                power = _power(metric.safety.desired_min_safe_trials_fraction, float(np.mean(values <= most)))
                constraints.append((_fitted(encoding, history, rows, values, noise, dimensions), Limit(most, power)))
        if not eligible.any():
            objective, eligible = None, eligible[:0]
    if len(succeeded) < len(history.trials):
        constraints.append((_failures(encoding, history, dimensions, generator), Limit(0.5, steepness=STEEPNESS)))
        if objective is not None:
            objective = _with_failures(encoding, history, objective, float(objective.y[eligible].min()))
            eligible = np.concatenate([eligible, np.zeros(len(objective.y) - len(eligible), dtype=bool)])
    return Models(encoding, objective, eligible, constraints, _seeds(encoding, history, objective, eligible))


def _chosen(values: Array, generator: np.random.Generator) -> Rows:
    """Which observations to model, by their mean rank over the objectives."""
    if len(values) <= MOST:
        return np.arange(len(values))
    rank = np.mean([np.argsort(np.argsort(finite(column))) for column in values.T], axis=0)
    return choose(rank, MOST, generator)


def _fitted(
    encoding: Encoding,
    history: History,
    rows: Rows,
    y: Array,
    noise: NoisePrior,
    dimensions: float,
    basis: Sequence[Surrogate] = (),
) -> Fitted:
    z, active = encoding.encode(history.points(rows))
    features = Features(encoding, z, active)
    sample = np.arange(len(y))
    if len(y) > MOST_FITTED:
        # The best, which tell of the region that counts, and others spread evenly over the rest.
        best = np.argsort(y, kind="stable")[: MOST_FITTED // 2]
        others = np.setdiff1d(sample, best)
        sample = np.union1d(best, others[np.linspace(0, len(others) - 1, MOST_FITTED - len(best)).astype(int)])
    known = np.concatenate([np.empty((len(sample), 0)), *[m.mean(z[sample], active[sample]) for m in basis]], axis=1)
    hyper = fit(features, features(z, active)[sample], y[sample], known, dimensions, noise)
    return Fitted(z, active, y, hyper, basis)


def _with_failures(encoding: Encoding, history: History, objective: Fitted, best: float) -> Fitted:
    """The objective with the latest failures as observations no better than the best, so that none is sought there."""
    latest = np.flatnonzero(~history.feasible)[-MOST_LABELS:]
    z, active = encoding.encode(history.points(latest))
    expected = objective.surrogate(encoding).mean(z, active)[:, 0]
    return replace(
        objective,
        z=np.concatenate([objective.z, z]),
        active=np.concatenate([objective.active, active]),
        y=np.concatenate([objective.y, np.maximum(expected, best)]),
    )


def _failures(encoding: Encoding, history: History, dimensions: float, generator: np.random.Generator) -> Fitted:
    """The model of failure: 1 where a trial failed, 0 where it succeeded, held for a failure above 0.5."""
    failed = ~history.feasible
    # Of a long history failures first: they are what is to be avoided.
    rows = choose(np.where(failed, 0.0, 1.0) + 1e-9 * np.arange(len(failed)), MOST_LABELS, generator)
    labels = failed[rows].astype(float)
    return _fitted(encoding, history, rows, labels, LABEL_NOISE, dimensions)


def _centred(values: Array, most: float) -> tuple[Array, float]:
    """Values of a safety metric and its limit, both in units of the values' spread, the limit's side kept."""
    values = finite(values)
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle))) * 1.5 or float(values.std()) or 1.0
    scaled, bound = (values - middle) / spread, float(np.clip((most - middle) / spread, -HUGE, HUGE))
    # Far values are drawn in, by a logarithm that is straight at first; the order is kept.
    warped = np.sign(scaled) * np.log1p(np.abs(scaled))
    limit_warped = float(np.sign(bound) * np.log1p(abs(bound)))
    mean, deviation = float(warped.mean()), float(warped.std()) or 1.0
    return (warped - mean) / deviation, (limit_warped - mean) / deviation


def _power(desired: float | None, share: float) -> float:
    """How strongly safety weighs: more while fewer trials are safe than are wished for."""
    return 1.0 if desired is None or share >= desired else 1.0 + 4.0 * (desired - share)


def _seeds(encoding: Encoding, history: History, objective: Fitted | None, eligible: Mask) -> Array:
    if objective is None:
        latest = np.arange(max(0, len(history.trials) - SEEDS), len(history.trials))
        return encoding.snap(encoding.encode(history.points(latest))[0])
    order = np.argsort(np.where(eligible, objective.y, np.inf), kind="stable")[:SEEDS]
    return encoding.snap(objective.z[order])
