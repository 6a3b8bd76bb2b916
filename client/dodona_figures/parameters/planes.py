"""Results over the plane of two parameters: ranks and contours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona_figures.axes import Axis, axes_of
from dodona_figures.records import Goal, Study, Trial
from dodona_figures.thin import some_results

# A cell of a contour has a value if a trial is as near, as a share of the axes.
NEAR = 0.15
CELLS = 30


@dataclass(frozen=True, slots=True)
class Rank:
    """Trials by two parameters, with the rank of their result: 0 for the best one, 1 for the worst one.

    The lists have an entry for each trial that has both parameters, by number.
    """

    study: str
    metric: str
    goal: Goal
    x_axis: Axis
    y_axis: Axis
    numbers: list[int]
    x: list[str | float | None]
    y: list[str | float | None]
    values: list[float]
    ranks: list[float]


def rank(
    study: Study,
    x: str | None = None,
    y: str | None = None,
    metric: str | None = None,
    most: int | None = None,
) -> Rank:
    """Return the ranks of the results by two parameters.

    Args:
        study: as for `parallel`.
        x: the parameter of the x axis; None for the first one that trials have.
        y: the parameter of the y axis; None for the next one.
        metric: as for `parallel`.
        most: as for `parallel`.

    Raises:
        ValueError: the study has no such metric, no trial has such a parameter, or trials have only one.
    """
    chosen = study.metric(metric)
    found = study.results(chosen)
    x_axis, y_axis = _two_axes(study, [trial for trial, _ in found], x, y)
    having = [pair for pair in found if x_axis.name in pair[0].parameters and y_axis.name in pair[0].parameters]
    places = _ranks([chosen.sign * value for _, value in having])
    ranked = {trial.number: place for (trial, _), place in zip(having, places, strict=True)}
    kept = some_results(having, chosen.sign, most)
    return Rank(
        study=study.name,
        metric=chosen.name,
        goal=chosen.goal,
        x_axis=x_axis,
        y_axis=y_axis,
        numbers=[trial.number for trial, _ in kept],
        x=[x_axis.shown(trial.parameters[x_axis.name]) for trial, _ in kept],
        y=[y_axis.shown(trial.parameters[y_axis.name]) for trial, _ in kept],
        values=[value for _, value in kept],
        ranks=[ranked[trial.number] for trial, _ in kept],
    )


def _two_axes(study: Study, trials: Sequence[Trial], x: str | None, y: str | None) -> tuple[Axis, Axis]:
    axes = {axis.name: axis for axis in axes_of(study, trials)}
    axes_of(study, trials, [name for name in (x, y) if name is not None])
    # Parameters of all trials first: two that are never active together have no trial to show.
    rest = sorted((name for name in axes if name not in (x, y)), key=lambda name: axes[name].conditional)
    chosen = [name if name is not None else next(iter([rest.pop(0)] if rest else []), None) for name in (x, y)]
    if chosen[0] is None or chosen[1] is None:
        raise ValueError(f"the figure needs two parameters; trials have {', '.join(axes) or 'none'}")
    return axes[chosen[0]], axes[chosen[1]]


def _ranks(goodness: Sequence[float]) -> list[float]:
    """Return the rank of each value from 0 for the highest to 1; equal ones share their mean rank."""
    ordered = sorted(goodness, reverse=True)
    first, last = dict[float, int](), dict[float, int]()
    for index, value in enumerate(ordered):
        first.setdefault(value, index)
        last[value] = index
    return [(first[value] + last[value]) / 2 / max(1, len(ordered) - 1) for value in goodness]


@dataclass(frozen=True, slots=True)
class Contour:
    """Results over two parameters: trials as points, and a smooth surface between them.

    Args:
        study: its name.
        metric: of the values.
        goal: which values are better.
        x_axis: of the first parameter.
        y_axis: of the second one.
        numbers: of the trials that have both.
        x: their values of the first parameter.
        y: their values of the second one.
        values: their results.
        grid_x: where the surface has columns; the names, on an axis of categories.
        grid_y: where it has rows.
        grid: its rows; None where no trial is near. It is a weighted mean of the results around.
    """

    study: str
    metric: str
    goal: Goal
    x_axis: Axis
    y_axis: Axis
    numbers: list[int]
    x: list[str | float | None]
    y: list[str | float | None]
    values: list[float]
    grid_x: list[str | float]
    grid_y: list[str | float]
    grid: list[list[float | None]]


def contour(
    study: Study,
    x: str | None = None,
    y: str | None = None,
    metric: str | None = None,
    most: int | None = None,
) -> Contour:
    """Return the results over two parameters; it needs NumPy.

    Args:
        study: as for `parallel`.
        x: as for `rank`.
        y: as for `rank`.
        metric: as for `parallel`.
        most: as for `parallel`; the surface is of all trials.

    Raises:
        ValueError: as for `rank`.
    """
    from dodona_figures.parameters.surface import grid_of, surface

    chosen = study.metric(metric)
    found = study.results(chosen)
    x_axis, y_axis = _two_axes(study, [trial for trial, _ in found], x, y)
    having = [pair for pair in found if x_axis.name in pair[0].parameters and y_axis.name in pair[0].parameters]
    kept = some_results(having, chosen.sign, most)
    return Contour(
        study=study.name,
        metric=chosen.name,
        goal=chosen.goal,
        x_axis=x_axis,
        y_axis=y_axis,
        numbers=[trial.number for trial, _ in kept],
        x=[x_axis.shown(trial.parameters[x_axis.name]) for trial, _ in kept],
        y=[y_axis.shown(trial.parameters[y_axis.name]) for trial, _ in kept],
        values=[value for _, value in kept],
        grid_x=grid_of(x_axis, CELLS),
        grid_y=grid_of(y_axis, CELLS),
        grid=surface(x_axis, y_axis, having, CELLS, NEAR),
    )
