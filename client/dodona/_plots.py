"""Figures of a study, drawn by Plotly, which is imported for the first figure."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from dodona._record import TrialRecord
from dodona._space import Categorical, Parameter, Space, Value

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# The axis label for trials in which the parameter was not active.
INACTIVE = "–"
SLICE_WIDTH = 280
TICKS = 5
# Up to this many values have a tick each.
MOST_TICKS = 8


class Figures(ABC):
    """The figures of a study, for classes with trials, a search space and metrics.

    Each is a plotly.graph_objects.Figure: a notebook shows it, `show` opens it in a browser, `write_html` saves it.
    """

    @property
    @abstractmethod
    def display_name(self) -> str:
        """The study's display name."""

    @property
    @abstractmethod
    def space(self) -> dict[str, Parameter]:
        """The search space."""

    @property
    @abstractmethod
    def metrics(self) -> dict[str, Literal["minimize", "maximize"]]:
        """The goal of each metric, the objective first."""

    @abstractmethod
    def trials(self) -> list[TrialRecord]:
        """Return all trials by number."""

    def plot_history(self, metric: str | None = None) -> Figure:
        """Return a figure of each succeeded trial's result by number, with the best so far.

        Args:
            metric: the metric to plot; None for the study's objective.

        Raises:
            ValueError: the study has no such metric.
            ImportError: plotly is not installed.
        """
        plotly = _plotly()
        name, goal = self._metric(metric)
        trials = _with_result(self.trials(), name)
        numbers = [trial.number for trial in trials]
        values = [trial.metrics[name] for trial in trials]
        bests = list(accumulate(values, max if goal == "maximize" else min))
        figure = self._figure(f"history of {name}")
        figure.add_trace(plotly.Scatter(x=numbers, y=values, mode="markers", name="trial", text=_hover_texts(trials)))
        figure.add_trace(plotly.Scatter(x=numbers, y=bests, mode="lines", line_shape="hv", name="best so far"))
        return figure.update_layout(xaxis_title="trial", yaxis_title=name)

    def plot_curves(self, metric: str | None = None) -> Figure:
        """Return a figure of each trial's reports by step: its learning curve.

        Args:
            metric: any reported metric, even one that the study does not optimize; None for the objective.

        Raises:
            ImportError: plotly is not installed.
        """
        plotly = _plotly()
        name = metric or self._metric(None)[0]
        figure = self._figure(f"curves of {name}")
        for trial in self.trials():
            points = [(one.step, one.metrics[name]) for one in trial.measurements if name in one.metrics]
            if points:
                steps, values = zip(*points, strict=True)
                figure.add_trace(
                    plotly.Scatter(x=steps, y=values, mode="lines+markers", name=f"trial {trial.number}", opacity=0.7)
                )
        return figure.update_layout(xaxis_title="step", yaxis_title=name)

    def plot_slice(self, parameters: Sequence[str] | None = None, metric: str | None = None) -> Figure:
        """Return a figure of the results by the values of each parameter, side by side; later trials are darker.

        Args:
            parameters: the parameters' names; None for all that trials have.
            metric: the metric of the results; None for the study's objective.

        Raises:
            ValueError: the study has no such metric, or no trial has such a parameter.
            ImportError: plotly is not installed.
        """
        plotly = _plotly()
        from plotly.subplots import make_subplots

        name, _ = self._metric(metric)
        trials = _with_result(self.trials(), name)
        axes = _axes(self.space, trials, parameters)
        figure = make_subplots(rows=1, cols=max(1, len(axes)), shared_yaxes=True)
        for column, axis in enumerate(axes, 1):
            having = [trial for trial in trials if axis.name in trial.parameters]
            numbers = [trial.number for trial in having]
            marker = {"color": numbers, "colorscale": "Blues", "cmin": 0, "line": {"width": 0.5, "color": "gray"}}
            x = [axis.shown(trial.parameters[axis.name]) for trial in having]
            y = [trial.metrics[name] for trial in having]
            dots = plotly.Scatter(x=x, y=y, mode="markers", marker=marker, text=_hover_texts(having), name=axis.name)
            figure.add_trace(dots, row=1, col=column)
            figure.update_xaxes(title=axis.name, type=axis.kind, row=1, col=column)
        figure.update_yaxes(title=name, row=1, col=1)
        title = self._title(f"{name} by parameter")
        width = SLICE_WIDTH * (len(axes) + 1)
        return figure.update_layout(title=title, template="plotly_white", showlegend=False, width=width)

    def plot_parallel(self, parameters: Sequence[str] | None = None, metric: str | None = None) -> Figure:
        """Return a figure of the trials in parallel coordinates: each is a line through its values and its result.

        Args:
            parameters: the parameters' names; None for all that trials have.
            metric: the metric of the results; None for the study's objective.

        Raises:
            ValueError: the study has no such metric, or no trial has such a parameter.
            ImportError: plotly is not installed.
        """
        plotly = _plotly()
        name, goal = self._metric(metric)
        trials = _with_result(self.trials(), name)
        results = [trial.metrics[name] for trial in trials]
        axes = _axes(self.space, trials, parameters)
        line = {"color": results, "colorscale": "Viridis", "showscale": True, "reversescale": goal == "minimize"}
        dimensions = [axis.dimension([trial.parameters.get(axis.name) for trial in trials]) for axis in axes]
        figure = self._figure(f"parameters and {name}")
        return figure.add_trace(
            plotly.Parcoords(line=line, dimensions=[*dimensions, {"label": name, "values": results}])
        )

    def _metric(self, name: str | None) -> tuple[str, str]:
        goals = self.metrics
        if name is not None and name not in goals:
            raise ValueError(f"the study has no metric {name!r}; it has {', '.join(goals)}")
        name = name or next(iter(goals))
        return name, goals[name]

    def _title(self, words: str) -> str:
        return f"{self.display_name}: {words}"

    def _figure(self, words: str) -> Any:
        return _plotly().Figure(layout={"title": self._title(words), "template": "plotly_white"})


class _Axis:
    """One parameter's axis.

    Args:
        name: the parameter's name.
        declared: its declarations in the space, of which there may be several.
        values: its values in all trials.

    Attributes:
        kind: Plotly's axis type: "category", "log" or "linear".

    """

    def __init__(self, name: str, declared: Sequence[Parameter], values: Sequence[Value]) -> None:
        self.name = name
        names = any(isinstance(value, bool | str) for value in values)
        logarithmic = any(getattr(parameter, "scale", "linear") == "log" for parameter in declared)
        self.kind = "category" if names else "log" if logarithmic else "linear"
        choices = [choice for one in declared if isinstance(one, Categorical) for choice in one.choices]
        self._places: list[str] = []
        if names:
            # In the order of the declaration; values that the space no longer has come last.
            self._places = list(dict.fromkeys(map(str, [*choices, *sorted(set(values), key=str)])))

    def shown(self, value: Value) -> Value:
        """Return a value as it is shown on the axis."""
        return str(value) if self.kind == "category" else value

    def dimension(self, values: Sequence[Value | None]) -> dict[str, Any]:
        """Return the axis for parallel coordinates, which take numbers only.

        Args:
            values: each trial's value; None where the parameter was not active.
        """
        found = [value for value in values if value is not None]
        if self.kind == "category":
            places = {word: float(place) for place, word in enumerate(self._places)}
            at = [None if value is None else places[str(value)] for value in values]
            ticks = list(places.items())
        else:
            at = [None if value is None else self._at(float(value)) for value in values]
            ticks = self._ticks([float(value) for value in found])
        if None in at:
            # Below all other values.
            heights = [height for _, height in ticks]
            lowest = min(heights) - 0.15 * ((max(heights) - min(heights)) or 1.0)
            ticks = [(INACTIVE, lowest), *ticks]
            at = [lowest if height is None else height for height in at]
        labels, marks = zip(*ticks, strict=True)
        span = [min(marks), max(marks)]
        if span[0] == span[1]:
            span = [span[0] - 0.5, span[1] + 0.5]
        return {"label": self.name, "values": at, "tickvals": marks, "ticktext": labels, "range": span}

    def _at(self, value: float) -> float:
        return math.log10(value) if self.kind == "log" else value

    def _ticks(self, values: Sequence[float]) -> list[tuple[str, float]]:
        heights = sorted({self._at(value) for value in values})
        if len(heights) > MOST_TICKS:
            low, high = heights[0], heights[-1]
            heights = [low + (high - low) * place / (TICKS - 1) for place in range(TICKS)]
        return [(f"{10**height if self.kind == 'log' else height:.3g}", height) for height in heights]


def _axes(space: Space, trials: Sequence[TrialRecord], names: Sequence[str] | None) -> list[_Axis]:
    declared = _declared(space)
    found = {name for trial in trials for name in trial.parameters}
    if names is not None and (unknown := [name for name in names if name not in found]):
        raise ValueError(f"no succeeded trial has the parameter {unknown[0]!r}; they have {', '.join(sorted(found))}")
    in_order = names or [*(name for name in declared if name in found), *sorted(found - declared.keys())]
    return [
        _Axis(name, declared.get(name, []), [one.parameters[name] for one in trials if name in one.parameters])
        for name in in_order
    ]


def _declared(space: Space) -> dict[str, list[Parameter]]:
    """Return all parameters by name, each followed by its children."""
    declared: dict[str, list[Parameter]] = {}
    for name, parameter in space.items():
        declared.setdefault(name, []).append(parameter)
        for child in parameter.children.values():
            for inner, found in _declared(child).items():
                declared.setdefault(inner, []).extend(found)
    return declared


def _with_result(trials: Iterable[TrialRecord], metric: str) -> list[TrialRecord]:
    """Return the succeeded trials, without those stopped early, that have a finite value of the metric."""
    done = (trial for trial in trials if trial.state == "SUCCEEDED" and not trial.stopped)
    return [trial for trial in done if math.isfinite(trial.metrics.get(metric, math.nan))]


def _hover_texts(trials: Iterable[TrialRecord]) -> list[str]:
    """Return the hover text of each trial."""
    return [_hover_text(trial.number, trial.parameters) for trial in trials]


def _hover_text(number: int, parameters: Mapping[str, Value]) -> str:
    pairs = parameters.items()
    values = [f"{name} = {value:.5g}" if isinstance(value, float) else f"{name} = {value}" for name, value in pairs]
    return "<br>".join([f"trial {number}", *values])


def _plotly() -> Any:
    try:
        from plotly import graph_objects
    except ImportError as error:
        raise ImportError(f"figures need plotly ({error}); install it with: pip install 'dodona[plots]'") from error
    return graph_objects
