"""Slices: the results by the values of each parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dodona_figures.axes import Axis, axes_of
from dodona_figures.records import Goal, Study, Trial
from dodona_figures.thin import some_results


@dataclass(frozen=True, slots=True)
class Panel:
    """Results by the values of one parameter; the lists have an entry for each trial that has it, by number."""

    axis: Axis
    numbers: list[int]
    x: list[str | float | None]
    y: list[float]


@dataclass(frozen=True, slots=True)
class Slices:
    """Results by the values of each parameter, in panels that share their y axis."""

    study: str
    metric: str
    goal: Goal
    panels: list[Panel]
    total: int


def slices(
    study: Study, metric: str | None = None, parameters: Iterable[str] | None = None, most: int | None = None
) -> Slices:
    """Return the results by the values of each parameter.

    Args:
        study: as for `parallel`.
        metric: as for `parallel`.
        parameters: as for `parallel`.
        most: as for `parallel`.

    Raises:
        ValueError: the study has no such metric, or no trial has such a parameter.
    """
    chosen = study.metric(metric)
    found = study.results(chosen)
    axes = axes_of(study, [trial for trial, _ in found], parameters)
    kept = some_results(found, chosen.sign, most)
    return Slices(study.name, chosen.name, chosen.goal, [_panel(axis, kept) for axis in axes], len(found))


def _panel(axis: Axis, found: Sequence[tuple[Trial, float]]) -> Panel:
    having = [(trial, value) for trial, value in found if axis.name in trial.parameters]
    return Panel(
        axis,
        [trial.number for trial, _ in having],
        [axis.shown(trial.parameters[axis.name]) for trial, _ in having],
        [value for _, value in having],
    )
