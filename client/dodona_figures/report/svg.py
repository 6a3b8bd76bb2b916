"""Small figures as SVG, for a page that needs no script; its style sheet has the colours by class.

x, y        places in the picture, in pixels from the top left
low, high   the ends of an axis, in the values' own unit
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dodona_figures.parameters.importance import Importance
from dodona_figures.trials.curves import Curves
from dodona_figures.trials.front import Pareto
from dodona_figures.trials.history import History
from dodona_figures.words import number, short

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 14, 44
ROW = 30
# Axes end here, so that no sum of two values overflows; values beyond it are drawn at the edge.
LARGEST = 1e300
NAMES = 170


@dataclass(frozen=True, slots=True)
class _Scale:
    """A linear mapping of `low` to `high` to the places `first` to `last`."""

    low: float
    high: float
    first: float
    last: float

    @classmethod
    def around(cls, values: Sequence[float], first: float, last: float, margin: float) -> _Scale:
        """Return the scale of values, with a part of their span free at both ends."""
        low, high = max(-LARGEST, min(values)), min(LARGEST, max(values))
        span = high - low
        if not span > 1e-12 * max(abs(low), abs(high)):
            span = abs(low) / 5 or 1.0
        return cls(low - margin * span, high + margin * span, first, last)

    def place(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self, count: int) -> list[float]:
        """Return about `count` round values in the range."""
        raw = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next((factor for factor in (1, 2, 5) if raw <= factor * power * 1.4), 10)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def history(data: History, values: Sequence[float]) -> str:
    """Return the results with the best so far, by trial.

    Args:
        data: with at least one result.
        values: the ends of the y axis are among these.
    """
    x, y = _scales([1.0, data.best.end], values)
    dots = [
        _mark(x.place(at), y.place(value), mark, f"trial {number_}: {number(value)}")
        for number_, at, value, mark in zip(
            data.points.numbers, data.points.x, data.points.y, data.points.marks, strict=True
        )
    ]
    dots += [
        _mark(x.place(at), HEIGHT - BOTTOM - 5, "failed", f"trial {number_} failed")
        for number_, at in zip(data.failed.numbers, data.failed.x, strict=True)
    ]
    line = _stairs([x.place(at) for at in [*data.best.x, data.best.end]], [y.place(one) for one in data.best.y])
    label = f"{data.metric} of {data.total} trials, and the best so far"
    return _picture(label, [_axes(x, y, "trial", data.metric), *dots, line])


def curves(data: Curves, values: Sequence[float]) -> str:
    """Return the learning curves, the best trial's in front; see `history` for `values`."""
    x, y = _scales([one for line in data.lines for one in line.x], values)
    lines = []
    for line in sorted(data.lines, key=lambda line: line.best):
        points = " ".join(f"{x.place(at)},{y.place(value)}" for at, value in zip(line.x, line.y, strict=True))
        kind = "best" if line.best else line.mark
        lines.append(f'<polyline class="curve {kind}" points="{points}"><title>trial {line.number}</title></polyline>')
    title = f"{data.x_title} (s)" if data.x_unit else data.x_title
    return _picture(f"{data.metric} of {len(data.lines)} trials", [_axes(x, y, title, data.metric), *lines])


def pareto(data: Pareto) -> str:
    """Return the trials by the first two objectives; those of the front stand out."""
    x, y = _scales([row[0] for row in data.rows], [row[1] for row in data.rows])
    front = set(data.front)
    points = sorted(zip(data.numbers, data.rows, strict=True), key=lambda pair: pair[0] in front)
    dots = [
        _mark(
            x.place(row[0]), y.place(row[1]), "best" if one in front else "succeeded",
            f"trial {one}: {number(row[0])}, {number(row[1])}",
        )
        for one, row in points
    ]  # fmt: skip
    label = f"{data.metrics[0]} and {data.metrics[1]}: {len(data.front)} trials are in the Pareto front"
    return _picture(label, [_axes(x, y, data.metrics[0], data.metrics[1]), *dots])


def importance(data: Importance) -> str:
    """Return the share of each parameter with its interval."""
    height = BOTTOM + ROW * len(data.parameters) + 8
    scale = _Scale(0.0, 1.0, NAMES, WIDTH - 60)
    parts = [
        f'<line class="grid" x1="{scale.place(share)}" x2="{scale.place(share)}" y1="4" y2="{height - BOTTOM}"/>'
        f'<text x="{scale.place(share)}" y="{height - BOTTOM + 18}" text-anchor="middle">{share:.0%}</text>'
        for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    for row, one in enumerate(data.parameters):
        y = 4 + ROW * row + ROW / 2
        start, low, high = scale.place(0), scale.place(one.low), scale.place(one.high)
        width = round(scale.place(one.share) - start, 1)
        parts.append(
            f'<text class="name" x="{NAMES - 8}" y="{y + 4}" text-anchor="end">{escape(short(one.name, 22))}</text>'
            f'<rect class="bar" x="{start}" y="{y - 7}" width="{width}" height="14" rx="2">'
            f"<title>{escape(one.name)}: {one.share:.0%}</title></rect>"
            f'<path class="interval" d="M{low} {y}H{high}M{low} {y - 4}V{y + 4}M{high} {y - 4}V{y + 4}"/>'
        )
    title = f"share of the variance of {short(data.metric, 40)}"
    parts.append(
        f'<text class="title" x="{(NAMES + WIDTH) / 2}" y="{height - 6}" text-anchor="middle">{escape(title)}</text>'
    )
    return _picture(f"importance of {len(data.parameters)} parameters", parts, height)


def _scales(xs: Sequence[float], ys: Sequence[float]) -> tuple[_Scale, _Scale]:
    return (
        _Scale.around(xs, LEFT, WIDTH - RIGHT, 0.015),
        _Scale.around(ys, HEIGHT - BOTTOM, TOP, 0.06),
    )


def _axes(x: _Scale, y: _Scale, x_title: str, y_title: str) -> str:
    """Return the lines, the numbers and the titles of both axes."""
    parts = []
    for value in y.ticks(5):
        at = y.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{number(value)}</text>')
    below = HEIGHT - BOTTOM + 18
    parts += [f'<text x="{x.place(one)}" y="{below}" text-anchor="middle">{number(one)}</text>' for one in x.ticks(8)]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="title" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(short(x_title, 60))}</text>"
        f'<text class="title" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(short(y_title, 34))}</text>"
    )
    return "".join(parts)


def _mark(x: float, y: float, kind: str, title: str) -> str:
    shape = f'<circle class="dot {kind}" cx="{x}" cy="{y}" r="4">'
    if kind == "stopped":
        shape = f'<path class="dot stopped" d="M{x} {y - 5:.1f}l5 5l-5 5l-5 -5Z">'
    elif kind == "failed":
        shape = f'<path class="dot failed" d="M{x} {y - 5:.1f}l5 9h-10Z">'
    return f"{shape}<title>{escape(title)}</title></{shape[1:].split()[0]}>"


def _stairs(x: Sequence[float], y: Sequence[float]) -> str:
    """Return a line that keeps its height until the next place; `x` has one more."""
    if not y:
        return ""
    moves = "".join(f"H{at}V{height}" for at, height in zip(x[1:], y[1:], strict=False))
    return f'<path class="line" d="M{x[0]} {y[0]}{moves}H{x[-1]}"/>'


def _picture(label: str, parts: Sequence[str], height: int = HEIGHT) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
