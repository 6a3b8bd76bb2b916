"""Timeline of the workers."""

from __future__ import annotations

from datetime import UTC, datetime

from plotly.graph_objects import Bar, Figure

import dodona_figures as figures
from dodona._plotly.style import LOOK, figure, text
from dodona_figures import Study

OUTCOMES = ("succeeded", "stopped", "failed", "lost", "running")


def timeline(study: Study, data: figures.Timeline) -> Figure:
    """Return which worker ran which trial."""
    made = figure([study], "workers over time", height=220 + 34 * len(data.workers), barmode="overlay")
    for outcome in OUTCOMES:
        bars = [bar for bar in data.bars if bar.outcome == outcome]
        if not bars:
            continue
        words = figures.WORDS[outcome]
        made.add_trace(
            Bar(
                base=[_time(bar.start) for bar in bars],
                x=[1000 * (bar.end - bar.start) for bar in bars],
                y=[text(bar.worker or "no name") for bar in bars],
                orientation="h",
                name=words,
                marker={"color": LOOK.states[outcome], "line": {"color": LOOK.paper, "width": 1}},
                text=[f"trial {bar.number}: {words} after {bar.end - bar.start:.3g} s" for bar in bars],
                textposition="none",
                hovertemplate="%{text}<extra></extra>",
            )
        )
    for worker in data.workers:
        whole = (worker.busy + worker.idle) or 1.0
        made.add_annotation(
            text=f"{worker.idle / whole:.0%} idle",
            xref="paper",
            x=1.01,
            xanchor="left",
            y=text(worker.name or "no name"),
            showarrow=False,
            font={"color": LOOK.quiet, "size": 12},
        )
    names = [text(worker.name or "no name") for worker in data.workers]
    made.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1])
    made.update_xaxes(type="date", title="time (UTC)")
    return made.update_layout(margin={"r": 100})


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
