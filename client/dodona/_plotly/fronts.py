"""Figures of several objectives."""

from __future__ import annotations

from plotly.graph_objects import Figure, Scatter

import dodona_figures as figures
from dodona._plotly.style import LOOK, figure, hover, text
from dodona_figures import Study


def pareto(study: Study, data: figures.Pareto) -> Figure:
    """Return the trials by the first two objectives, and the front of all."""
    made = figure([study], "Pareto front")
    front, about = set(data.front), hover(study)
    for name, chosen, colour, size in (
        ("trials", [index for index, number in enumerate(data.numbers) if number not in front], "succeeded", 7),
        ("Pareto front", [index for index, number in enumerate(data.numbers) if number in front], "", 10),
    ):
        made.add_trace(
            Scatter(
                x=[data.rows[index][0] for index in chosen],
                y=[data.rows[index][1] for index in chosen],
                text=[about[data.numbers[index]] for index in chosen],
                mode="markers",
                name=name,
                marker={"color": LOOK.states.get(colour, LOOK.accent), "size": size, "opacity": 0.85},
                hovertemplate="%{text}<br>%{x:.5g}, %{y:.5g}<extra></extra>",
            )
        )
    if len(data.metrics) == 2 and len(data.front) > 1:
        made.add_trace(_stairs(data))
    titles = [f"{text(metric)}, {goal}d" for metric, goal in zip(data.metrics, data.goals, strict=True)]
    return made.update_layout(xaxis_title=titles[0], yaxis_title=titles[1])


def _stairs(data: figures.Pareto) -> Scatter:
    """Return the border of what the front dominates."""
    rows = dict(zip(data.numbers, data.rows, strict=True))
    points = [rows[number] for number in data.front]
    line = {"color": LOOK.accent, "width": 1.5, "shape": "hv"}
    x, y = [row[0] for row in points], [row[1] for row in points]
    return Scatter(x=x, y=y, mode="lines", line=line, showlegend=False, hoverinfo="skip")


def hypervolume(study: Study, data: figures.Hypervolume) -> Figure:
    """Return the hypervolume over the trials."""
    made = figure([study], "hypervolume")
    x, y = [*data.numbers, *([data.end] if data.numbers else [])], [*data.values, *data.values[-1:]]
    line = {"color": LOOK.accent, "width": 2, "shape": "hv"}
    made.add_trace(Scatter(x=x, y=y, mode="lines", line=line, name="hypervolume"))
    title = "share of the box that the front dominates"
    return made.update_yaxes(range=[0, 1.02], title=title).update_xaxes(title="trial")
