"""History, curves, distribution and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from plotly.graph_objects import Figure, Scatter

import dodona_figures as figures
from dodona._plotly.style import LOOK, SYMBOLS, figure, hover, text, title_of, unit_of
from dodona_figures import BestSoFar, Study


def history(study: Study, data: figures.History) -> Figure:
    """Return the results, and the best so far."""
    made = figure([study], f"history of {text(data.metric)}")
    unit, length = unit_of(data.best.end, data.x_unit)
    about = hover(study)
    for mark in ("succeeded", "stopped"):
        chosen = [index for index, one in enumerate(data.points.marks) if one == mark]
        if chosen:
            made.add_trace(
                Scatter(
                    x=[data.points.x[index] / length for index in chosen],
                    y=[data.points.y[index] for index in chosen],
                    text=[about[data.points.numbers[index]] for index in chosen],
                    mode="markers",
                    name=figures.WORDS[mark],
                    marker={"color": LOOK.states[mark], "symbol": SYMBOLS[mark], "size": 8, "opacity": 0.75},
                    hovertemplate="%{text}<br>%{y:.5g}",
                )
            )
    made.add_trace(_best(data.best, length, "best so far", LOOK.accent))
    if data.failed.x:
        made.add_trace(_failures(data, length, about))
        # Failed trials have a place of their own below.
        made.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})
    return made.update_layout(xaxis_title=title_of(data.x_title, unit), yaxis_title=text(data.metric))


def _failures(data: figures.History, length: float, about: Any) -> Scatter:
    reasons = [text(reason.strip().partition("\n")[0] or "no reason", 80) for reason in data.failed.reasons]
    return Scatter(
        x=[x / length for x in data.failed.x],
        y=[0.01] * len(data.failed.x),
        text=[f"{about[number]}<br>{why}" for number, why in zip(data.failed.numbers, reasons, strict=True)],
        mode="markers",
        name=figures.WORDS["failed"],
        yaxis="y2",
        marker={"color": LOOK.states["failed"], "symbol": SYMBOLS["failed"], "size": 8},
        hovertemplate="%{text}",
    )


def _best(best: BestSoFar, length: float, name: str, colour: str) -> Scatter:
    """Return the line of the best so far, up to the last trial."""
    x = [one / length for one in [*best.x, *([best.end] if best.x else [])]]
    return Scatter(
        x=x,
        y=[*best.y, *best.y[-1:]],
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2},
        name=name,
        hovertemplate="%{y:.5g}",
    )


def curves(study: Study, data: figures.Curves, smooth: float) -> Figure:
    """Return the learning curves, the best trial's in front."""
    made = figure([study], f"curves of {text(data.metric)}")
    unit, length = unit_of(max((line.x[-1] for line in data.lines), default=0.0), data.x_unit)
    kinds = ("succeeded", "failed", "stopped", "running", "queued", "best")
    named = set[str]()
    for line in sorted(data.lines, key=lambda line: kinds.index("best" if line.best else line.mark)):
        kind: str = "best" if line.best else line.mark
        made.add_trace(
            Scatter(
                x=[x / length for x in line.x],
                y=figures.smoothed(line.y, smooth) if smooth else line.y,
                mode="lines+markers" if len(line.x) < 2 else "lines",
                name=f"trial {line.number}",
                legendgroup=kind,
                line={
                    "color": LOOK.accent if line.best else LOOK.states[line.mark],
                    "dash": "dash" if kind == "stopped" else "solid",
                    "width": 2.5 if line.best else 1.4,
                },
                opacity=1.0 if kind in ("best", "running") else 0.6,
                showlegend=False,
                hovertemplate="%{x}: %{y:.5g}",
            )
        )
        named.add(kind)
    for one in kinds:
        if one in named:
            made.add_trace(_legend_of_curves(one))
    made.update_layout(xaxis_title=title_of(data.x_title, unit), yaxis_title=text(data.metric))
    return made


def _legend_of_curves(kind: str) -> Scatter:
    """Return an entry of the legend for all curves of a kind."""
    colour = LOOK.accent if kind == "best" else LOOK.states[kind]
    name = "best trial" if kind == "best" else figures.WORDS[kind]
    line = {"color": colour, "dash": "dash" if kind == "stopped" else "solid"}
    return Scatter(x=[None], y=[None], mode="lines", name=name, legendgroup=kind, line=line)


def edf(studies: Sequence[Study], data: figures.Edf) -> Figure:
    """Return the distribution functions."""
    made = figure(studies if len(studies) == 1 else [], f"distribution of {text(data.metric)}")
    for line, colour in zip(data.lines, cycle(LOOK.lines), strict=False):
        style = {"shape": "hv", "color": colour, "width": 2}
        made.add_trace(Scatter(x=line.x, y=line.y, mode="lines", name=text(line.study), line=style))
    made.update_yaxes(range=[0, 1.02], tickformat=".0%", title="share of trials with at most that value")
    return made.update_layout(xaxis_title=text(data.metric), showlegend=len(studies) > 1)


def compare(data: figures.Comparison) -> Figure:
    """Return the best so far of several studies."""
    made = figure([], f"best {text(data.metric)} so far", showlegend=True)
    unit, length = unit_of(max((one.best.end for one in data.studies), default=0.0), data.x_unit)
    for one, colour in zip(data.studies, cycle(LOOK.lines), strict=False):
        made.add_trace(_best(one.best, length, text(one.study), colour))
    return made.update_layout(xaxis_title=title_of(data.x_title, unit), yaxis_title=text(data.metric))
