"""Parallel coordinates: an axis for each parameter and one for the objective, and a line for each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dodona_server.domain.space import Categorical, Discrete, Integer, Kind, Scale, Value
from dodona_server.domain.studies.study import Goal, Metric, Study
from dodona_server.web.figures.chart import Axis, LogAxis, Tick, fence
from dodona_server.web.format import number, short

MAX_AXES = 12
LONGEST_LABEL = 13
# The best tenth of the trials stands out, then the best four tenths.
BEST, GOOD = 0.1, 0.4
# More names on an axis would overlap.
MAX_NAMES = 9


class _Scale(Protocol):
    """Places values on an axis."""

    def place(self, value: float) -> float:
        """Return the position of `value`, in percent from the low end."""

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about `count` values with their labels."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """Whole numbers."""

    axis: Axis

    def place(self, value: float) -> float:
        """Return the position of `value`, in percent from the low end."""
        return self.axis.place(value)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about `count` whole numbers with their labels."""
        return self.axis.ticks(count, whole=True)


@dataclass(frozen=True, slots=True)
class _Declared:
    """Numbers, each with its label if they are few."""

    scale: Axis | LogAxis
    values: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return the position of `value`, in percent from the low end."""
        return self.scale.place(value)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return the numbers with their labels; about `count` others if they are many."""
        if len(self.values) > MAX_NAMES:
            return self.scale.ticks(count)
        return [(value, number(value)) for value in self.values]


@dataclass(frozen=True, slots=True)
class _Names:
    """Names at equal distances."""

    names: tuple[str, ...]

    def place(self, value: float) -> float:
        """Return the position of the name with that index, in percent from the low end."""
        return round(100 * (value + 0.5) / len(self.names), 2)

    def ticks(self, _count: int) -> list[tuple[float, str]]:
        """Return the index and the label of each name; of none if they are many."""
        return [(index, _label(name)) for index, name in enumerate(self.names)] if len(self.names) <= MAX_NAMES else []


@dataclass(frozen=True, slots=True)
class ParallelAxis:
    """An axis at `x` percent; `label` may be cut, `name` is whole."""

    x: float
    label: str
    name: str
    ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class ParallelLine:
    """Line of a trial; `rank` is best, good or other."""

    key: int
    path: str
    value: float
    rank: str


@dataclass(frozen=True, slots=True)
class Parallel:
    """Chart of parallel coordinates; `omitted` counts the parameters without an axis."""

    axes: list[ParallelAxis]
    lines: list[ParallelLine]
    omitted: int


Point = tuple[Mapping[str, Value], float]


def parallel_chart(study: Study, points: Mapping[int, Point]) -> Parallel | None:
    """Return the chart; None if there are less than two parameters or three trials.

    Args:
        study: the study.
        points: the parameters and the objective of each trial, by its number.
    """
    kinds: dict[str, Kind] = {}
    for _, parameter in study.spec.space.walk():
        kinds.setdefault(parameter.id, parameter.kind)
    if len(kinds) < 2 or len(points) < 3:
        return None
    shown = list(kinds)[: MAX_AXES - 1]
    metric = study.spec.objective
    low, high = fence([value for _, value in points.values()], metric.goal)
    scales: list[tuple[str, _Scale]] = [(name, _scale(kinds[name])) for name in shown]
    scales.append((metric.id, Axis.around(low, high, 0.03)))
    xs = [round(100 * index / (len(scales) - 1), 2) for index in range(len(scales))]
    lines = [
        ParallelLine(key, _path(xs, scales, kinds, point), point[1], rank)
        for key, point, rank in _ranked(points, metric)
    ]
    axes = [
        ParallelAxis(
            x,
            _label(name),
            name,
            [Tick(100 - scale.place(value), label) for value, label in scale.ticks(5)],
        )
        for x, (name, scale) in zip(xs, scales, strict=True)
    ]
    return Parallel(axes, lines, len(kinds) - len(shown))


def _scale(kind: Kind) -> _Scale:
    if isinstance(kind, Categorical):
        return _Names(kind.values)
    if isinstance(kind, Integer) and kind.scale is not Scale.LOG:
        return _Whole(Axis.around(kind.min_value, kind.max_value, 0.03))
    low, high = (min(kind.values), max(kind.values)) if isinstance(kind, Discrete) else (kind.min_value, kind.max_value)
    scale = (LogAxis if kind.scale is Scale.LOG and low < high else Axis).around(low, high, 0.03)
    return _Declared(scale, kind.values) if isinstance(kind, Discrete) else scale


def _ranked(points: Mapping[int, Point], metric: Metric) -> list[tuple[int, Point, str]]:
    """Return the trials with their ranks, the best last, so that nothing covers them."""
    ordered = sorted(points.items(), key=lambda item: item[1][1], reverse=metric.goal is Goal.MINIMIZE)
    ranks = []
    for index, (key, point) in enumerate(ordered, start=1):
        behind = (len(ordered) - index) / len(ordered)
        ranks.append((key, point, "best" if behind < BEST else "good" if behind < GOOD else "other"))
    return ranks


def _path(xs: Sequence[float], scales: Sequence[tuple[str, _Scale]], kinds: Mapping[str, Kind], point: Point) -> str:
    """Return the line of a trial, with gaps at the parameters that it does not have."""
    values, objective = point
    path, draws = "", False
    for x, (name, scale) in zip(xs, scales, strict=True):
        at = objective if x == xs[-1] else _position(kinds[name], values.get(name))
        if at is not None:
            path += f"{'L' if draws else 'M'}{x:g} {100 - scale.place(at):g}"
        draws = at is not None
    return path


def _position(kind: Kind, value: Value | None) -> float | None:
    if isinstance(kind, Categorical):
        return kind.values.index(value) if isinstance(value, str) and value in kind.values else None
    return None if value is None or isinstance(value, str) else value


def _label(name: str) -> str:
    return short(name, LONGEST_LABEL)
