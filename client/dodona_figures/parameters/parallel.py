"""Parallel coordinates: each trial is a line through its parameters and its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dodona_figures.axes import Axis, axes_of
from dodona_figures.records import Goal, Mark, Study
from dodona_figures.thin import some_results


@dataclass(frozen=True, slots=True)
class Parallel:
    """Parallel coordinates: an axis for each parameter, and a line for each trial, by number.

    Args:
        study: its name.
        metric: of the values.
        goal: which values are better.
        axes: of the parameters.
        numbers: of the trials.
        marks: of the trials.
        rows: the values of each trial, in the order of the axes; None where a parameter is not active.
        values: the result of each trial.
        total: how many trials have a result; `rows` may be fewer.
    """

    study: str
    metric: str
    goal: Goal
    axes: list[Axis]
    numbers: list[int]
    marks: list[Mark]
    rows: list[list[str | float | None]]
    values: list[float]
    total: int


def parallel(
    study: Study, metric: str | None = None, parameters: Iterable[str] | None = None, most: int | None = None
) -> Parallel:
    """Return the trials in parallel coordinates: their parameters and their results.

    Args:
        study: with its trials; those stopped early are left out.
        metric: the metric's name; None for the objective.
        parameters: their names; None for all that trials have.
        most: how many trials to return at most; the best ones are among them. None for all.

    Raises:
        ValueError: the study has no such metric, or no trial has such a parameter.
    """
    chosen = study.metric(metric)
    found = study.results(chosen)
    axes = axes_of(study, [trial for trial, _ in found], parameters)
    kept = some_results(found, chosen.sign, most)
    return Parallel(
        study=study.name,
        metric=chosen.name,
        goal=chosen.goal,
        axes=axes,
        numbers=[trial.number for trial, _ in kept],
        marks=[trial.mark for trial, _ in kept],
        rows=[[axis.shown(trial.parameters.get(axis.name)) for axis in axes] for trial, _ in kept],
        values=[value for _, value in kept],
        total=len(found),
    )
