"""What the curves of trials foretell that were stopped early, or that run: the end of their training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dodona_server.algorithms.contract.algorithm import NoCurves, Request
from dodona_server.curve_model.curves import Curve, Progress
from dodona_server.curve_model.model import CurveModel, fit
from dodona_server.domain.study import Goal, StudySpec
from dodona_server.domain.trial import Measurement, Trial, TrialState

# The number of curves of completed trials, and of the others, that are read.
MOST = 128
_BEGUN = (TrialState.ACTIVE, TrialState.STOPPING)


@dataclass(frozen=True, slots=True)
class Foretold:
    """The final loss that a trial's curve foretells, lower is better, and its standard deviation."""

    loss: float
    deviation: float


def foretold(request: Request) -> dict[int, Foretold]:
    """Return what is foretold of stopped and running trials, by their numbers.

    Nothing is, and no curve is read, with several objectives, or if no rule stops trials and none was stopped. The same
    holds without a reader of curves.
    """
    spec = request.problem.spec
    if len(spec.objectives) != 1 or not (request.stopped or spec.stops_trials) or isinstance(request.curves, NoCurves):
        return {}
    ended = [trial for trial in request.completed if trial.state is TrialState.SUCCEEDED][-MOST:]
    running = [trial for trial in request.pending if trial.state in _BEGUN] if spec.stops_trials else []
    partial = [*request.stopped, *running][-MOST:]
    if not partial:
        return {}
    measured = request.curves.of([trial.number for trial in (*ended, *partial)])
    curves = {
        number: curve
        for trials, progress in ((ended, Progress.ENDED), (partial, None))
        for number, curve in _curves(spec, trials, measured, progress).items()
    }
    if not curves:
        return {}
    model = fit(curves)
    of_partial = ((trial.number, curves[trial.number]) for trial in partial if trial.number in curves)
    return {number: found for number, curve in of_partial if (found := _foretold(model, curve)) is not None}


def _curves(
    spec: StudySpec, trials: Sequence[Trial], measured: Mapping[int, Sequence[Measurement]], progress: Progress | None
) -> dict[int, Curve]:
    curves = {}
    for trial in trials:
        comes = progress or (Progress.RUNNING if trial.state in _BEGUN else Progress.STOPPED)
        curve = curve_of(spec, measured.get(trial.number, ()), comes)
        if curve is not None:
            curves[trial.number] = curve
    return curves


def curve_of(spec: StudySpec, measured: Sequence[Measurement], progress: Progress) -> Curve | None:
    """Return the curve of the objective in measurements; None if no point of it is finite and has a position."""
    (objective,) = spec.objectives
    sign = 1.0 if objective.goal is Goal.MAXIMIZE else -1.0
    by_time = spec.stopping_rule is not None and spec.stopping_rule.use_elapsed_time
    positions: list[float] = []
    bests: list[float] = []
    for one in measured:
        position = one.elapsed_seconds if by_time else float(one.step)
        value = sign * one.metrics.get(objective.id, math.nan)
        if not math.isfinite(value) or not 0 < position < math.inf:
            continue
        best = max(value, bests[-1]) if bests else value
        if positions and position <= positions[-1]:
            bests[-1] = best
            continue
        positions.append(position)
        bests.append(best)
    return Curve(np.array(positions), np.array(bests), progress) if positions else None


def _foretold(model: CurveModel, curve: Curve) -> Foretold | None:
    rung = model.rung(float(curve.positions[-1]))
    if rung is None:
        return None
    best = _best_at(curve, float(model.rungs[rung]))
    if best is None:
        return None
    earlier = _best_at(curve, float(model.rungs[rung - 1])) if rung else None
    forecast = model.foretell(rung, best, earlier)
    return Foretold(-forecast.mean, forecast.deviation)


def _best_at(curve: Curve, position: float) -> float | None:
    index = int(np.searchsorted(curve.positions, position, side="right")) - 1
    return float(curve.bests[index]) if index >= 0 else None
