"""Figures of results over the search space: parallel coordinates, slices, ranks and contours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dodona_figures.axes import Axis, axes_of
from dodona_figures.records import Goal, Mark, Study, Trial
from dodona_figures.thin import thin

# A cell of a contour has a value if a trial is as near, as a share of the axes.
NEAR = 0.15
CELLS = 30


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
    kept = _some(found, chosen.sign, most)
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


def _some(found: Sequence[tuple[Trial, float]], sign: float, most: int | None) -> list[tuple[Trial, float]]:
    """Return at most `most` of the results by number, a tenth of them the best ones."""
    if most is None or len(found) <= most:
        return list(found)
    ranked = sorted(range(len(found)), key=lambda index: -sign * found[index][1])
    return [found[index] for index in thin(len(found), set(ranked[: most // 10]), most)]


@dataclass(frozen=True, slots=True)
class Panel:
    """The results by the values of one parameter; the lists have an entry for each trial that has it, by number."""

    axis: Axis
    numbers: list[int]
    x: list[str | float | None]
    y: list[float]


@dataclass(frozen=True, slots=True)
class Slices:
    """The results by the values of each parameter, in panels that share their y axis."""

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
    kept = _some(found, chosen.sign, most)
    return Slices(study.name, chosen.name, chosen.goal, [_panel(axis, kept) for axis in axes], len(found))


def _panel(axis: Axis, found: Sequence[tuple[Trial, float]]) -> Panel:
    having = [(trial, value) for trial, value in found if axis.name in trial.parameters]
    return Panel(
        axis,
        [trial.number for trial, _ in having],
        [axis.shown(trial.parameters[axis.name]) for trial, _ in having],
        [value for _, value in having],
    )


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
    kept = _some(having, chosen.sign, most)
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
    """The results over two parameters: trials as points, and a smooth surface between them.

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
    from dodona_figures.surface import grid_of, surface

    chosen = study.metric(metric)
    found = study.results(chosen)
    x_axis, y_axis = _two_axes(study, [trial for trial, _ in found], x, y)
    having = [pair for pair in found if x_axis.name in pair[0].parameters and y_axis.name in pair[0].parameters]
    kept = _some(having, chosen.sign, most)
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
