"""Common style of the figures: their look, their texts and their axes."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plotly.graph_objects import Figure

from dodona_figures import LIGHT, Axis, Study, Trial

LOOK = LIGHT
SYMBOLS = {"succeeded": "circle", "stopped": "diamond", "failed": "triangle-up", "running": "circle-open"}
# In seconds; a unit is used from three of it on.
_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))
LONGEST = 40


def text(value: object, longest: int = LONGEST) -> str:
    """Return a name or a value as Plotly shows it: it takes angle brackets for markup, and dollars for formulas."""
    shown = f"{value:.5g}" if isinstance(value, float) else str(value)
    shown = shown if len(shown) <= longest else f"{shown[: longest // 2]}…{shown[-(longest - longest // 2 - 1) :]}"
    return html.escape(shown, quote=False).replace("$", "&#36;")


def figure(studies: Sequence[Study], words: str, **layout: Any) -> Figure:
    """Return an empty figure with a title."""
    names = ", ".join(text(study.name) for study in studies if study.name)
    title = f"{names}: {words}" if names else words[:1].upper() + words[1:]
    made = Figure(
        layout={
            "title": {"text": title, "font": {"size": 16}},
            "template": "plotly_white",
            "paper_bgcolor": LOOK.paper,
            "plot_bgcolor": LOOK.paper,
            "font": {"color": LOOK.ink, "size": 13},
            "hoverlabel": {"bgcolor": LOOK.paper, "font": {"color": LOOK.ink}},
            "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
            "margin": {"t": 80, "r": 40},
        }
    )
    made.update_xaxes(gridcolor=LOOK.rule, zeroline=False, linecolor=LOOK.rule)
    made.update_yaxes(gridcolor=LOOK.rule, zeroline=False, linecolor=LOOK.rule)
    return made.update_layout(**layout)


def unit_of(most: float, unit: str) -> tuple[str, float]:
    """Return the unit in which values up to `most` are easy to read, and its length.

    Args:
        most: the largest value, in `unit`.
        unit: "s" for seconds, which may be shown in minutes, hours or days; anything else stays.
    """
    if unit == "s":
        for name, length in _UNITS:
            if most >= 3 * length:
                return name, length
    return unit, 1.0


def title_of(title: str, unit: str) -> str:
    """Return the title of an axis with its unit."""
    return f"{title} ({unit})" if unit else title


def hover(study: Study) -> Mapping[int, str]:
    """Return a text about each trial: its number, and its parameters, one a line."""
    return {trial.number: _about(trial) for trial in study.trials}


def _about(trial: Trial) -> str:
    values = [f"{text(name)} = {text(value)}" for name, value in trial.parameters.items()]
    return "<br>".join([f"trial {trial.number}", *values])


def places(axis: Axis, values: Iterable[str | float | None]) -> list[Any]:
    """Return values as Plotly places them on an axis of `axis_of`."""
    return [text(value) if axis.kind == "category" else value for value in values]


def axis_of(axis: Axis) -> dict[str, Any]:
    """Return Plotly's settings of a parameter's axis."""
    if axis.kind == "category":
        names = [text(name) for name in axis.categories]
        return {"title": text(axis.name), "type": "category", "categoryorder": "array", "categoryarray": names}
    if axis.kind != "log":
        return {"title": text(axis.name), "type": "linear"}
    ticks = _log_ticks(axis.low or 1.0, axis.high or 1.0)
    labels = [f"{tick:g}" for tick in ticks]
    return {"title": f"{text(axis.name)} (log)", "type": "log", "tickvals": ticks, "ticktext": labels}


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round values of a logarithmic axis; Plotly's own have small digits between them, and words like 100µ."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    return [float(f"{factor}e{power}") for power in range(first, last + 1) for factor in factors]


def scale_of(goal: str, *, reverse: bool = False) -> list[list[Any]]:
    """Return Plotly's colour scale of results: the best ones are darkest."""
    colours = LOOK.scale if (goal == "maximize") != reverse else LOOK.scale[::-1]
    return [[index / (len(colours) - 1), colour] for index, colour in enumerate(colours)]


def colour_range(values: Sequence[float], goal: str) -> tuple[float, float]:
    """Return the ends of the colours: the worst tenth looks alike, so that those near the best can be told apart."""
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    tenth = (len(ordered) - 1) // 10
    low, high = (ordered[tenth], ordered[-1]) if goal == "maximize" else (ordered[0], ordered[-1 - tenth])
    return low, high if high > low else low + 1.0


def without(words: str, note: str, studies: Sequence[Study]) -> Figure:
    """Return a figure that says why it is empty."""
    made = figure(studies, words)
    made.update_xaxes(visible=False).update_yaxes(visible=False)
    return made.add_annotation(text=text(note, 400), showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
