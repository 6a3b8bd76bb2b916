"""Explain a suggestion by the models that it was made with.

The acquisition function is split as expected improvement is: (best - mean) Phi(u) is what the mean promises, sigma
phi(u) is what not knowing adds.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from dodona_server.algorithms.gp.acquisition.acquisition import Acquisition, log_h
from dodona_server.algorithms.gp.acquisition.feasibility import HALF_LOG_2PI
from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.call import Search
from dodona_server.algorithms.gp.data.encoding import Point
from dodona_server.algorithms.gp.data.history import columns
from dodona_server.algorithms.gp.model.outputs import unwarp
from dodona_server.algorithms.gp.models import FittedModel, StudyModels
from dodona_server.domain.studies.outlook import CLEARLY
from dodona_server.domain.studies.study import Goal
from dodona_server.domain.trials.explanation import Expectation, Explanation
from dodona_server.domain.trials.trial import Trial

# The half width of the interval that holds 90% of a normal distribution, in standard deviations.
OF_NORMAL = 1.6448536269514722
# A point is chosen because the model expects much of it, so among the chosen ones it errs more than elsewhere: on the
# benchmark's problems the interval has to be this many times as wide to hold 9 of 10 results.
WIDENED = 2.0
HALF_WIDTH = WIDENED * OF_NORMAL


def explain(search: Search, models: StudyModels, acquisition: Acquisition, point: Point) -> Explanation | None:
    """Return the models' forecast for a point; None while no trial has succeeded.

    Args:
        search: the study.
        models: fitted to it.
        acquisition: the function that the point was chosen with.
        point: the suggestion.
    """
    model = acquisition.objective
    if models.objective is None or model is None:
        return None
    best = _best(search, models, models.objective)
    at = model.predict(*models.encoding.encode([point]), slopes=False)
    sigma = float(np.sqrt(at.variance[0]))
    # Together, the fantasies have the distribution of the model without them.
    mean, variance = float(at.mean.mean()), float(at.variance[0] + at.mean.var()) + model.hyper.noise
    shares = dict(zip((one.name for one in model.basis), model.shares_of_basis(at).tolist(), strict=True))
    return Explanation(
        expected=_expected(search, models, models.objective.y, mean, float(np.sqrt(variance))),
        improving=_improving(models.objective.y[: len(models.rows)], at.mean[0], sigma, acquisition.best),
        exploring=_exploring(at.mean[0], sigma, acquisition.best),
        best=best.number,
        kept=_kept(models, acquisition, point, best.parameters),
        hints=acquisition.factor_of_hints(*models.encoding.encode([point])) if acquisition.hints else None,
        prior_studies=sum(shares.values()) if shares else None,
        by_prior_study=shares,
    )


def _best(search: Search, models: StudyModels, objective: FittedModel) -> Trial:
    count = len(models.rows)
    merit = np.where(models.eligible[:count], objective.y[:count], np.inf)
    best: Trial = search.history.trials[models.rows[int(np.argmin(merit))]]
    return best


def _expected(search: Search, models: StudyModels, y: Array, mean: float, deviation: float) -> Expectation | None:
    """Return the expectation in the metric's units; None with several objectives, or if all results are equal."""
    objectives = search.problem.spec.objectives
    if len(objectives) > 1:
        return None
    (column,) = columns(search.problem.spec)
    predicted = [one.loss for _, one in search.partial]
    values = np.concatenate([search.history.values[models.rows, column], predicted])
    found = unwarp(mean + deviation * np.array([0.0, -HALF_WIDTH, HALF_WIDTH]), values, y[: len(values)])
    if found is None:
        return None
    middle, low, high = (float(value) for value in found)
    is_loss = objectives[0].goal is Goal.MINIMIZE
    return Expectation(middle, low, high) if is_loss else Expectation(-middle, -high, -low)


def _exploring(mean: Array, sigma: float, best: Array) -> float:
    """Return the part of the expected improvement that comes from not knowing, from 0 to 1.

    Args:
        mean: under each fantasy, s.
        sigma: the standard deviation.
        best: the value to improve on, under each fantasy, s.
    """
    u = (best - mean) / sigma
    log_each = log_h(u)
    weight = np.exp(log_each - log_each.max())
    # phi / h; above 1 where the mean is worse than the best.
    share = np.minimum(np.exp(-0.5 * u * u - HALF_LOG_2PI - log_each), 1.0)
    return float((weight * share).sum() / weight.sum())


def _improving(y: Array, mean: Array, sigma: float, best: Array) -> float:
    """Return the probability that a point is better than the best by `CLEARLY` of the interquartile range of `y`, n."""
    clearly = CLEARLY * float(np.subtract(*np.quantile(y, [0.75, 0.25])))
    return float(ndtr((best - clearly - mean) / sigma).mean())


def _kept(models: StudyModels, acquisition: Acquisition, point: Point, best: Point) -> dict[str, float]:
    """Return the part of the acquisition that is left if one parameter has the best trial's value, by parameter."""
    names = [name for name, value in point.items() if name in best and best[name] != value]
    if not names:
        return {}
    z, _ = models.encoding.encode([point, *({**point, name: best[name]} for name in names)])
    z = models.encoding.snap(z)
    value = acquisition(z, models.encoding.activity(z))
    return dict(zip(names, np.exp(np.minimum(value[1:] - value[0], 0.0)).tolist(), strict=True))
