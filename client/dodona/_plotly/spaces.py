"""Figures over the search space, and importance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from plotly.graph_objects import Bar, Figure, Heatmap, Parcoords, Scatter
from plotly.subplots import make_subplots

import dodona_figures as figures
from dodona._plotly.style import LOOK, axis_of, colour_range, figure, hover, places, scale_of, text, without
from dodona_figures import Axis, Study
from dodona_figures.words import short

# The axis label for trials in which the parameter was not active.
INACTIVE = "–"
SLICE_WIDTH = 280
TICKS = 5
# Up to this many values have a tick each.
MOST_TICKS = 8


def parallel(study: Study, data: figures.Parallel) -> Figure:
    """Return parallel coordinates."""
    low, high = colour_range(data.values, data.goal)
    line = {
        "color": data.values,
        "colorscale": scale_of(data.goal),
        "cmin": low,
        "cmax": high,
        "showscale": True,
    }
    columns = list(zip(*data.rows, strict=True)) or [() for _ in data.axes]
    dimensions = [_dimension(axis, column) for axis, column in zip(data.axes, columns, strict=True)]
    made = figure([study], f"parameters and {text(data.metric)}", margin={"t": 110, "l": 90, "r": 40})
    result = {"label": text(data.metric, 20), "values": data.values}
    return made.add_trace(Parcoords(line=line, dimensions=[*dimensions, result]))


def _dimension(axis: Axis, values: Sequence[str | float | None]) -> dict[str, Any]:
    """Return a parameter's axis of parallel coordinates, which take numbers only."""
    if axis.kind == "category":
        index = {name: float(place) for place, name in enumerate(axis.categories)}
        at = [None if value is None else index[str(value)] for value in values]
        # Unlike other texts of Plotly, these are no markup.
        ticks = [(short(name, 16), place) for name, place in index.items()]
    else:
        at = [None if value is None else _height(axis, float(value)) for value in values]
        ticks = _ticks(axis, [height for height in at if height is not None])
    heights = [height for _, height in ticks]
    if None in at:
        # Below all other values.
        lowest = min(heights, default=0.0) - 0.15 * ((max(heights, default=0.0) - min(heights, default=0.0)) or 1.0)
        ticks, heights = [(INACTIVE, lowest), *ticks], [lowest, *heights]
        at = [lowest if height is None else height for height in at]
    low, high = min(heights, default=0.0), max(heights, default=0.0)
    span = [low, high] if low < high else [low - 0.5, high + 0.5]
    labels = [label for label, _ in ticks]
    return {"label": text(axis.name, 20), "values": at, "tickvals": heights, "ticktext": labels, "range": span}


def _height(axis: Axis, value: float) -> float:
    return math.log10(value) if axis.kind == "log" else value


def _ticks(axis: Axis, found: Sequence[float]) -> list[tuple[str, float]]:
    heights = sorted(set(found))
    if len(heights) > MOST_TICKS:
        low, high = heights[0], heights[-1]
        heights = [low + (high - low) * place / (TICKS - 1) for place in range(TICKS)]
    return [(f"{10**height if axis.kind == 'log' else height:.3g}", height) for height in heights]


def slices(study: Study, data: figures.Slices) -> Figure:
    """Return the results by each parameter, side by side."""
    made = make_subplots(rows=1, cols=max(1, len(data.panels)), shared_yaxes=True)
    look = figure([study], f"{text(data.metric)} by parameter").layout
    made.update_layout(look, width=SLICE_WIDTH * (len(data.panels) + 1), showlegend=False)
    last = max((number for panel in data.panels for number in panel.numbers), default=1)
    about = hover(study)
    for column, panel in enumerate(data.panels, 1):
        marker = {
            "color": panel.numbers,
            "colorscale": [[0, LOOK.states["succeeded"]], [1, LOOK.accent]],
            "cmin": 1,
            "cmax": max(2, last),
            "size": 7,
            "opacity": 0.8,
        }
        dots = Scatter(
            x=places(panel.axis, panel.x),
            y=panel.y,
            mode="markers",
            marker=marker,
            text=[about[number] for number in panel.numbers],
            name=text(panel.axis.name),
            hovertemplate="%{text}<br>%{y:.5g}<extra></extra>",
        )
        made.add_trace(dots, row=1, col=column)
        made.update_xaxes(axis_of(panel.axis), row=1, col=column)
    made.update_xaxes(gridcolor=LOOK.rule, zeroline=False).update_yaxes(gridcolor=LOOK.rule, zeroline=False)
    return made.update_yaxes(title=text(data.metric), row=1, col=1)


def contour(study: Study, data: figures.Contour) -> Figure:
    """Return the results over two parameters, with a surface."""
    made = figure([study], f"{text(data.metric)} over {text(data.x_axis.name)} and {text(data.y_axis.name)}")
    cells = [value for row in data.grid for value in row if value is not None]
    low, high = colour_range(cells or data.values, data.goal)
    if data.grid:
        made.add_trace(
            Heatmap(
                x=places(data.x_axis, data.grid_x),
                y=places(data.y_axis, data.grid_y),
                z=data.grid,
                zsmooth="best" if "category" not in (data.x_axis.kind, data.y_axis.kind) else False,
                colorscale=scale_of(data.goal),
                zmin=low,
                zmax=high,
                colorbar={"title": text(data.metric, 20)},
                hoverinfo="skip",
            )
        )
    about = hover(study)
    made.add_trace(
        Scatter(
            x=places(data.x_axis, data.x),
            y=places(data.y_axis, data.y),
            mode="markers",
            marker={"color": LOOK.paper, "size": 6, "line": {"color": LOOK.ink, "width": 1}},
            text=[about[number] for number in data.numbers],
            customdata=data.values,
            hovertemplate="%{text}<br>%{customdata:.5g}<extra></extra>",
        )
    )
    return made.update_xaxes(axis_of(data.x_axis)).update_yaxes(axis_of(data.y_axis))


def rank(study: Study, data: figures.Rank) -> Figure:
    """Return the trials by two parameters, coloured by their rank."""
    made = figure([study], f"rank of {text(data.metric)} over {text(data.x_axis.name)} and {text(data.y_axis.name)}")
    about = hover(study)
    colorbar = {"title": "rank", "tickvals": [0, 1], "ticktext": ["best", "worst"]}
    made.add_trace(
        Scatter(
            x=places(data.x_axis, data.x),
            y=places(data.y_axis, data.y),
            mode="markers",
            marker={
                "color": data.ranks,
                "colorscale": scale_of("minimize"),
                "cmin": 0,
                "cmax": 1,
                "colorbar": colorbar,
                "size": 9,
                "line": {"color": LOOK.rule, "width": 0.5},
            },
            text=[about[number] for number in data.numbers],
            customdata=data.values,
            hovertemplate="%{text}<br>%{customdata:.5g}<extra></extra>",
        )
    )
    return made.update_xaxes(axis_of(data.x_axis)).update_yaxes(axis_of(data.y_axis))


def importance(study: Study, data: figures.Importance) -> Figure:
    """Return the share of each parameter with its interval."""
    words = f"importance for {text(data.metric)}"
    if not data.parameters:
        return without(words, data.note, [study])
    shown = data.parameters[::-1]
    names = [text(one.name) for one in shown]
    made = figure([study], words, height=200 + 34 * len(shown))
    interval = {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, one.high - one.share) for one in shown],
        "arrayminus": [max(0.0, one.share - one.low) for one in shown],
        "color": LOOK.ink,
        "thickness": 1.5,
        "width": 4,
    }
    shares = [one.share for one in shown]
    made.add_trace(
        Bar(
            x=shares,
            y=names,
            orientation="h",
            error_x=interval,
            name="alone, with its 90% interval",
            marker={"color": LOOK.accent},
            customdata=[(one.low, one.high) for one in shown],
            hovertemplate="%{y}: %{x:.0%} (%{customdata[0]:.0%} to %{customdata[1]:.0%})<extra></extra>",
        )
    )
    made.add_trace(
        Scatter(
            x=[one.total for one in shown],
            y=names,
            mode="markers",
            name="with interactions",
            marker={"symbol": "diamond", "size": 9, "color": LOOK.states["running"]},
            hovertemplate="%{y}, with interactions: %{x:.0%}<extra></extra>",
        )
    )
    said = data.note or f"Of {data.trials} trials; together the parameters explain {data.explained:.0%}."
    made.update_xaxes(range=[0, 1.02], tickformat=".0%", title=f"share of the variance of {text(data.metric)}")
    made.update_yaxes(type="category")
    made.add_annotation(
        text=text(said, 200), showarrow=False, xref="paper", yref="paper", x=0, y=1.02, yanchor="bottom"
    )
    return made.update_layout(margin={"t": 110}, legend={"y": 1.12})
