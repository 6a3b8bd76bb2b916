"""Transfer from earlier studies: their models' predictions, weighted by how well they fit this study's trials.

Each earlier study gives one prediction: the mean of a Gaussian process of its trials over the common parameters. The
study's own model regresses on the predictions and models the residual (see `likelihood`). The weights are fitted with
the other hyperparameters, and a misleading prediction gets none. Until there is a model, every second point is one of
the earlier studies' best, so misleading ones cost at most half of the first points.

Source: after Golovin et al., Google Vizier (2017), section 3.3, and Poloczek, Wang and Frazier, Warm Starting Bayesian
Optimization (2016), with regression weights instead of a stack or of covariances between the studies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dodona_server.algorithms.contract.algorithm import Prior
from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.encoding import Encoding
from dodona_server.algorithms.gp.data.features import Features
from dodona_server.algorithms.gp.data.history import Rows, choose, read
from dodona_server.algorithms.gp.model.fit import fit
from dodona_server.algorithms.gp.model.likelihood import NoisePrior
from dodona_server.algorithms.gp.model.surrogate import Surrogate
from dodona_server.algorithms.gp.model.targets import target
from dodona_server.domain.studies.study import StudySpec

# An earlier study with fewer trials says too little about its objective.
LEAST = 4
# The number of trials modeled from all earlier studies together, and from each at least and at most.
MOST_TOGETHER, FEWEST_EACH, MOST_EACH = 512, 48, 128
FIT_ITERATIONS = 25
# The length scale of an axis that the earlier study does not have: its model does not depend on it.
ENDLESS = 1e6
# The number of best points from each earlier study.
BEST_EACH = 3


def predictors(
    spec: StudySpec, encoding: Encoding, priors: Sequence[Prior], weights: Array, generator: np.random.Generator
) -> list[Surrogate]:
    """Return a model of each earlier study with enough trials and with a metric and a parameter in common.

    Args:
        spec: of the present study.
        encoding: of its space.
        priors: the earlier studies.
        weights: of the objectives.
        generator: for the sample of a long study's trials.

    Raises:
        numpy.linalg.LinAlgError: a kernel matrix could not be inverted.
    """
    most = min(max(MOST_TOGETHER // max(len(priors), 1), FEWEST_EACH), MOST_EACH)
    models = (_predictor(spec, encoding, prior, weights, most, generator) for prior in priors)
    return [model for model in models if model is not None]


def best_points(spec: StudySpec, encoding: Encoding, priors: Sequence[Prior], fill: Array) -> Array:
    """Return the best points of the earlier studies, one study after the other in turn, k x a.

    Args:
        spec: of the present study.
        encoding: of its space.
        priors: the earlier studies.
        fill: positions for the axes that an earlier study lacks, a.
    """
    found = []
    for number, prior in enumerate(priors):
        values, rows = _values(spec, prior)
        if values is None or len(rows) < LEAST:
            continue
        order = np.argsort(target(values, np.ones(values.shape[1])), kind="stable")[:BEST_EACH]
        z, there = encoding.encode([prior.completed[row].parameters for row in rows[order]])
        found += [(place, number, point) for place, point in enumerate(np.where(there, z, fill[None]))]
    found.sort(key=lambda one: one[:2])
    return encoding.snap(np.array([point for _, _, point in found]).reshape(len(found), encoding.size))


def _values(spec: StudySpec, prior: Prior) -> tuple[Array | None, Rows]:
    """Return the earlier trials' objectives, n x number of objectives, and their rows; None if an objective is missing.

    If the names differ, a study with a single objective learns from the first metric of the earlier one.
    """
    wanted = [metric.id for metric in spec.objectives]
    known = [metric.id for metric in prior.spec.metrics]
    if len(wanted) == 1 and wanted[0] not in known:
        wanted = [prior.spec.objective.id]
    if not set(wanted) <= set(known):
        return None, np.empty(0, dtype=np.intp)
    history = read(prior.spec, prior.completed)
    values = history.values[:, [known.index(name) for name in wanted]]
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    return values[rows], rows


def _predictor(
    spec: StudySpec, encoding: Encoding, prior: Prior, weights: Array, most: int, generator: np.random.Generator
) -> Surrogate | None:
    values, rows = _values(spec, prior)
    if values is None or len(rows) < LEAST:
        return None
    chosen = choose(target(values, weights), most, generator)
    y = target(values[chosen], weights)
    z, there = encoding.encode([prior.completed[row].parameters for row in rows[chosen]])
    shared = there.any(axis=0) & encoding.free
    if not y.any() or not shared.any():
        return None
    features = Features(encoding, z, there)
    nothing = np.empty((len(y), 0))
    hyper = fit(
        features, features(z, there), y, nothing, float(shared.sum()), NoisePrior(), FIT_ITERATIONS, warped=False
    )
    hyper.length[~shared[features.axes]] = ENDLESS
    return Surrogate(features, hyper, z, there, y[:, None], name=prior.name)
