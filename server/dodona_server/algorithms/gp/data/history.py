"""Results of the trials as arrays, and the choice of those to model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.encoding import Point
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Trial, TrialState

# The largest number of observations in a model: its cost grows with their cube.
MOST = 256
# The shares of the best and of the latest among them; the rest are drawn from the others.
BEST_SHARE, LATEST_SHARE = 0.5, 0.2
# With this many observations or more, the fit of the hyperparameters begins with those of the first observations: a
# multiple of `STEP` of them, without the `LATEST` ones. Fits are remembered, so one of the first observations serves
# about `STEP` results. Workers finish in another order than they began: a trial that more than `LATEST` others overtake
# costs one fit more.
ENOUGH, STEP, LATEST = 48, 8, 8

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class History:
    """Finished trials as arrays.

    Args:
        trials: in order.
        values: metrics in the spec's order, lower is better, n x number of metrics; NaN where one is missing.
        feasible: whether the trial has all metrics, n.
    """

    trials: Sequence[Trial]
    values: Array
    feasible: Mask

    def points(self, rows: Rows) -> list[Point]:
        """Return the parameters of those trials."""
        return [self.trials[row].parameters for row in rows]


def read(spec: StudySpec, completed: Sequence[Trial]) -> History:
    """Return the history of a study's finished trials."""
    ids = [metric.id for metric in spec.metrics]
    nothing = (np.nan,) * len(ids)
    rows = []
    for trial in completed:
        final = trial.final_measurement
        if final is None or trial.state is TrialState.INFEASIBLE:
            rows.append(nothing)
        else:
            metrics = final.metrics
            rows.append(tuple(metrics.get(name, np.nan) for name in ids))
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(ids))
    values *= [1.0 if metric.goal is Goal.MINIMIZE else -1.0 for metric in spec.metrics]
    return History(completed, values, np.asarray(~np.isnan(values).any(axis=1)))


def columns(spec: StudySpec) -> list[int]:
    """Return the indices of the objectives among the metrics."""
    return [spec.metrics.index(metric) for metric in spec.objectives]


def limit(metric: Metric) -> float:
    """Return the greatest safe value of a safety metric, lower being better."""
    if metric.safety is None:
        return float("inf")
    return metric.safety.threshold if metric.goal is Goal.MINIMIZE else -metric.safety.threshold


def early(count: int) -> int:
    """Return how many of `count` observations, in order, are fitted first; 0 if all are fitted at once."""
    return 0 if count < ENOUGH else (count - LATEST) // STEP * STEP


def choose(rank: Array, most: int, generator: np.random.Generator) -> Rows:
    """Return the rows to model, ascending: all, or the best, the latest and a sample of the others.

    Args:
        rank: lower is preferred, n.
        most: the largest number of rows.
        generator: for the sample.
    """
    count = len(rank)
    if count <= most:
        return np.arange(count)
    best = np.argpartition(rank, int(BEST_SHARE * most))[: int(BEST_SHARE * most)]
    chosen = np.zeros(count, dtype=bool)
    chosen[best] = True
    chosen[count - int(LATEST_SHARE * most) :] = True
    others = np.flatnonzero(~chosen)
    chosen[generator.choice(others, most - int(chosen.sum()), replace=False)] = True
    return np.flatnonzero(chosen)
