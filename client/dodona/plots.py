"""Figures of studies for notebooks: the same as on the pages, drawn by Plotly.

    import dodona

    study = dodona.Client().get_study("digits")
    dodona.plots.importance(study).show()
    dodona.plots.compare([study, other], by="compute")
    dodona.plots.history(records, goal="minimize")     # of a list of TrialRecord

Each function takes a study or a list of records, and returns a plotly.graph_objects.Figure. A notebook shows it, `show`
opens it in a browser, `write_html` saves it. A study has the same figures as methods: `study.plot_history()`.

They all raise ValueError for a metric or a parameter that the trials do not have, and ImportError if Plotly is missing.
Names may contain anything; no figure takes them for markup. `pip install 'dodona[plots]'` installs what they need.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import dodona_figures as figures
from dodona._figures.conversion import records_of
from dodona._figures.source import FigureSource
from dodona._trials.record import TrialRecord
from dodona_figures.records import Goal
from dodona_figures.trials.history import By

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Source: TypeAlias = FigureSource | Sequence[TrialRecord] | figures.Study

# More lines or points are not told apart.
MOST_CURVES = 200
MOST_LINES = 1000
MOST_POINTS = 5000


def history(source: Source, metric: str | None = None, by: By = "trial", *, goal: Goal | None = None) -> Figure:
    """Return a figure of the results, with the best so far.

    Args:
        source: a study, or a list of records.
        metric: the metric's name; None for the objective.
        by: "trial" for the trial's number, "time" since the first trial, or the "compute" time of all trials.
        goal: "minimize" or "maximize", for a list of records. So for all figures.
    """
    study = _study(source, goal)
    return _load_plotly().history(study, figures.history(study, metric, by, MOST_POINTS))


def curves(
    source: Source,
    metric: str | None = None,
    by: Literal["step", "time"] = "step",
    smooth: float = 0.0,
    *,
    goal: Goal | None = None,
) -> Figure:
    """Return a figure of what trials reported: their learning curves. Those of stopped trials are dashed.

    Args:
        source: a study, or a list of records.
        metric: any reported metric, even one that the study does not optimize; None for the objective.
        by: "step", or the "time" since the trial's worker began.
        smooth: the weight of what came before in an exponential moving average, from 0 to below 1.
        goal: see `history`.

    Raises:
        ValueError: `smooth` is not from 0 to below 1.
    """
    if not 0 <= smooth < 1:
        raise ValueError(f"smooth is {smooth!r}; it must be from 0 to below 1")
    study = _study(source, goal)
    return _load_plotly().curves(study, figures.curves(study, metric, by, MOST_CURVES, MOST_POINTS), smooth)


def parallel(
    source: Source, parameters: Iterable[str] | None = None, metric: str | None = None, *, goal: Goal | None = None
) -> Figure:
    """Return a figure in parallel coordinates: each trial is a line through its parameters and its result.

    Args:
        source: a study, or a list of records.
        parameters: their names; None for all that trials have.
        metric: the metric's name; None for the objective.
        goal: see `history`.
    """
    study = _study(source, goal)
    return _load_plotly().parallel(study, figures.parallel(study, metric, parameters, MOST_LINES))


def slice(  # noqa: A001 - as in other packages
    source: Source, parameters: Iterable[str] | None = None, metric: str | None = None, *, goal: Goal | None = None
) -> Figure:
    """Return a figure of the results by the values of each parameter, side by side; later trials are greener.

    Args:
        source: a study, or a list of records.
        parameters: their names; None for all that trials have.
        metric: the metric's name; None for the objective.
        goal: see `history`.
    """
    study = _study(source, goal)
    return _load_plotly().slices(study, figures.slices(study, metric, parameters, MOST_POINTS))


def contour(
    source: Source,
    x: str | None = None,
    y: str | None = None,
    metric: str | None = None,
    *,
    goal: Goal | None = None,
) -> Figure:
    """Return a figure of the results over two parameters: the trials, and a smooth surface between them.

    Args:
        source: a study, or a list of records.
        x: the parameter of the x axis; None for the first one.
        y: the parameter of the y axis; None for the next one.
        metric: the metric's name; None for the objective.
        goal: see `history`.
    """
    study = _study(source, goal)
    return _load_plotly().contour(study, figures.contour(study, x, y, metric, MOST_POINTS))


def rank(
    source: Source,
    x: str | None = None,
    y: str | None = None,
    metric: str | None = None,
    *,
    goal: Goal | None = None,
) -> Figure:
    """Return a figure of the trials by two parameters, coloured by the rank of their result.

    Args:
        source: a study, or a list of records.
        x: the parameter of the x axis; None for the first one.
        y: the parameter of the y axis; None for the next one.
        metric: the metric's name; None for the objective.
        goal: see `history`.
    """
    study = _study(source, goal)
    return _load_plotly().rank(study, figures.rank(study, x, y, metric, MOST_POINTS))


def importance(source: Source, metric: str | None = None, *, goal: Goal | None = None) -> Figure:
    """Return a figure of how much each parameter matters, with intervals; with too few trials, it says how many more.

    Args:
        source: a study, or a list of records.
        metric: the metric's name; None for the objective.
        goal: see `history`.
    """
    study = _study(source, goal)
    return _load_plotly().importance(study, figures.importance(study, metric))


def pareto(source: Source, metrics: Sequence[str] | None = None, *, goal: Goal | None = None) -> Figure:
    """Return a figure of the trials by two objectives, with the Pareto front.

    Args:
        source: a study, or a list of records.
        metrics: the objectives; the front is of all of them, the figure shows the first two. None for all.
        goal: see `history`.

    Raises:
        ValueError: there is only one objective.
    """
    study = _study(source, goal)
    return _load_plotly().pareto(study, figures.pareto(study, metrics, MOST_POINTS))


def hypervolume(source: Source, metrics: Sequence[str] | None = None, *, goal: Goal | None = None) -> Figure:
    """Return a figure of the hypervolume of the Pareto front over the trials.

    Args:
        source: a study, or a list of records.
        metrics: the objectives; None for all.
        goal: see `history`.

    Raises:
        ValueError: there is only one objective.
    """
    study = _study(source, goal)
    return _load_plotly().hypervolume(study, figures.hypervolume(study, metrics))


def edf(source: Source | Sequence[FigureSource], metric: str | None = None, *, goal: Goal | None = None) -> Figure:
    """Return a figure of the share of trials that are at most as large as each value, of one or more studies.

    Args:
        source: a study, a list of studies, or a list of records.
        metric: the metric's name; None for the objective.
        goal: see `history`.
    """
    studies = _studies(source, goal)
    return _load_plotly().edf(studies, figures.edf(studies, metric, MOST_POINTS))


def timeline(source: Source, *, goal: Goal | None = None) -> Figure:
    """Return a figure of the workers over time: which one ran which trial, and when it was idle.

    Args:
        source: a study, or a list of records. Records have the last attempt of each trial; the page has all of them.
        goal: see `history`.
    """
    study = _study(source, goal)
    return _load_plotly().timeline(study, figures.timeline(study, time.time(), MOST_POINTS))


def compare(sources: Sequence[FigureSource], metric: str | None = None, by: By = "trial") -> Figure:
    """Return a figure of the best so far of several studies.

    Args:
        sources: studies.
        metric: the metric's name; None for the objective of the first study.
        by: as for `history`; times are since the first trial of each study.

    Raises:
        ValueError: there is no study.
    """
    studies = _studies(sources, None)
    if not studies:
        raise ValueError("there is no study to compare; give a list of studies")
    return _load_plotly().compare(figures.compare(studies, metric, by))


def _study(source: Any, goal: Goal | None) -> figures.Study:
    if isinstance(source, figures.Study):
        return source
    if isinstance(source, FigureSource):
        return source._figured()  # noqa: SLF001 - of a study of ours
    return records_of(source, goal)


def _studies(sources: Any, goal: Goal | None) -> list[figures.Study]:
    """Return one or more studies."""
    several = isinstance(sources, Sequence) and not any(isinstance(one, TrialRecord) for one in sources)
    return [_study(one, goal) for one in sources] if several else [_study(sources, goal)]


def _load_plotly() -> Any:
    try:
        import numpy  # noqa: F401 - importance and contours need it

        from dodona import _plotly
    except ImportError as error:
        needed = (error.name or "").partition(".")[0]
        if needed not in ("numpy", "plotly"):
            raise
        raise ImportError(f"figures need {needed} ({error}); install it with: pip install 'dodona[plots]'") from error
    return _plotly
