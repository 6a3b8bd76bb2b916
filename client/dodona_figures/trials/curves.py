"""Learning curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dodona_figures.records import Goal, Mark, Study, Trial
from dodona_figures.thin import thin


@dataclass(frozen=True, slots=True)
class Curve:
    """Curve of a trial: `y` at the steps or seconds `x`. `best`: it is the best trial's."""

    number: int
    mark: Mark
    best: bool
    x: list[float]
    y: list[float]


@dataclass(frozen=True, slots=True)
class Curves:
    """Learning curves of trials, by number.

    Args:
        study: its name.
        metric: whose values these are; any reported one.
        goal: which values are better; None for a metric that the study does not know.
        x_title: "step" or "time".
        x_unit: "s" for times, else empty.
        lines: the curves.
        total: how many trials have a curve; `lines` may be fewer.
    """

    study: str
    metric: str
    goal: Goal | None
    x_title: str
    x_unit: str
    lines: list[Curve]
    total: int


def curves(
    study: Study,
    metric: str | None = None,
    by: Literal["step", "time"] = "step",
    most: int | None = None,
    most_points: int | None = None,
) -> Curves:
    """Return the learning curves of trials.

    Args:
        study: with its trials and what they reported.
        metric: any reported metric; None for the objective.
        by: what the x axis is; trials that count no steps are shown by time.
        most: how many curves to return at most: the best one, those that run, the others evenly chosen.
        most_points: how many points a curve may have; None for all.
    """
    name = study.objectives[0].name if metric is None else metric
    known = next((one for one in study.metrics if one.name == name), None)
    timed = by == "time" or not any(report.step for trial in study.trials for report in trial.reports)
    best = study.best(known or study.objectives[0])
    lines = [
        Curve(trial.number, trial.mark, best is not None and trial.number == best.number, *points)
        for trial in study.trials
        if (points := _points(trial, name, timed, most_points))[0]
    ]
    important = {index for index, line in enumerate(lines) if line.best or line.mark == "running"}
    kept = list(range(len(lines))) if most is None else thin(len(lines), important, most)
    return Curves(
        study=study.name,
        metric=name,
        goal=None if known is None else known.goal,
        x_title="time" if timed else "step",
        x_unit="s" if timed else "",
        lines=[lines[index] for index in kept],
        total=len(lines),
    )


def _points(trial: Trial, name: str, timed: bool, most: int | None) -> tuple[list[float], list[float]]:
    x, y = list[float](), list[float]()
    for report in trial.reports:
        place = report.elapsed if timed else float(report.step)
        value = report.metrics.get(name, math.nan)
        if place is not None and math.isfinite(value):
            x.append(place)
            y.append(value)
    if most is not None and len(x) > most:
        kept = thin(len(x), set(), most)
        x, y = [x[index] for index in kept], [y[index] for index in kept]
    return x, y


def smoothed(values: list[float], weight: float) -> list[float]:
    """Return the exponential moving average of values, without the bias of its start.

    Args:
        values: of a curve, in order.
        weight: of what came before, from 0 for no smoothing to below 1.
    """
    average, known, found = 0.0, 0.0, list[float]()
    for value in values:
        average = weight * average + (1 - weight) * value
        known = weight * known + (1 - weight)
        found.append(average / known)
    return found


def metrics_of(study: Study) -> list[str]:
    """Return the names of all metrics that trials reported, those of the study first."""
    reported = (name for trial in study.trials for report in trial.reports for name in report.metrics)
    return list(dict.fromkeys([*(metric.name for metric in study.metrics), *reported]))
