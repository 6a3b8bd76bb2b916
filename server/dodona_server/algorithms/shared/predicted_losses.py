"""Predictions of the final loss of trials that were stopped early, or that run, from their curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dodona_server.algorithms.contract.algorithm import Request
from dodona_server.curve_model.curves import Array
from dodona_server.curve_model.model import CurveModel, fit_table
from dodona_server.domain.trials.trial import TrialState

_BEGUN = (TrialState.ACTIVE, TrialState.STOPPING)


@dataclass(frozen=True, slots=True)
class PredictedLoss:
    """Final loss that a trial's curve predicts, lower is better, and its standard deviation."""

    loss: float
    deviation: float


def predicted_losses(request: Request) -> dict[int, PredictedLoss]:
    """Return the predicted losses of stopped and running trials, by their numbers.

    There are none with several objectives, without a stopping rule (the server keeps curves for rules) or without a
    reader of curves.
    """
    partial = {trial.number for trial in request.stopped}
    partial |= {trial.number for trial in request.pending if trial.state in _BEGUN}
    if not partial or not request.problem.spec.stops_trials:
        return {}
    table = request.curves.table()
    if table is None:
        return {}
    model = fit_table(table)
    of_partial = ((number, row) for number, row in zip(table.numbers, table.bests, strict=True) if number in partial)
    return {number: found for number, row in of_partial if (found := _predicted(model, row)) is not None}


def _predicted(model: CurveModel, bests: Array) -> PredictedLoss | None:
    """Return what a trial's best values at the rungs predict; None if it has reached no rung."""
    (reached,) = np.nonzero(~np.isnan(bests))
    if not len(reached):
        return None
    rung = int(reached[-1])
    earlier = None if rung == 0 or np.isnan(bests[rung - 1]) else float(bests[rung - 1])
    forecast = model.predict(rung, float(bests[rung]), earlier)
    return PredictedLoss(-forecast.mean, forecast.deviation)
