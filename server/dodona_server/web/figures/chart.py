"""Geometry of charts, which the templates draw as SVG.

    x, y     a position, in percent of the plot's width from the left and of its height from the top
    low, high    the ends of an axis, in the values' own unit

Everything is in percent, so that a chart fills the available width while its text and its dots keep their size.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import quantiles

from dodona_figures.thin import thin
from dodona_server.domain.studies.study import Goal
from dodona_server.web.format import number

Point = tuple[float, float]

MAX_DOTS = 500
# With fewer values none is an outlier.
MIN_FOR_FENCE = 8
# Axes end here, so that no sum of two values overflows; values beyond it are drawn at the edge.
LARGEST = 1e300
# A curve with at most this many points shows each of them.
MAX_MARKED = 60


@dataclass(frozen=True, slots=True)
class Tick:
    """A labeled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One value. `improved`: it was the best when it came. `beyond`: it is outside, and drawn at the edge."""

    x: float
    y: float
    key: float
    value: float
    improved: bool = False
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart's content; `path` is a line in SVG syntax."""

    x_ticks: list[Tick]
    y_ticks: list[Tick]
    dots: list[Dot]
    path: str

    @property
    def beyond(self) -> int:
        """Number of dots at the edge."""
        return sum(dot.beyond for dot in self.dots)


class View(enum.StrEnum):
    """Range of values that a chart shows: all, those near the best one, or all on a logarithmic scale."""

    ALL = "all"
    BEST = "best"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear mapping of [`low`, `high`] to percent."""

    low: float
    high: float

    @classmethod
    def around(cls, low: float, high: float, margin: float) -> Axis:
        """Return an axis that leaves `margin` of its span free at both ends; a single value is in its middle."""
        low, high = max(-LARGEST, min(low, LARGEST)), max(-LARGEST, min(high, LARGEST))
        span = high - low
        if span <= max(1e-300, abs(low) * 1e-12, abs(high) * 1e-12):
            span = max(abs(low) / 5, 1e-9) if low else 2.0
        return cls(low - margin * span, high + margin * span)

    def place(self, value: float) -> float:
        """Return the position of `value`, in percent from the low end."""
        value = max(self.low, min(value, self.high))
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def ticks(self, count: int, *, whole: bool = False) -> list[tuple[float, str]]:
        """Return about `count` round values in the range with their labels; only whole numbers if `whole`."""
        step = _nice((self.high - self.low) / count)
        step = max(1.0, step) if whole else step
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        values = [index * step for index in range(first, last + 1)]
        return [(value, _label(value, step)) for value in values]


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic mapping of positive values to percent.

    Args:
        powers: the axis of the values' powers of ten.
    """

    powers: Axis

    @classmethod
    def around(cls, low: float, high: float, margin: float) -> LogAxis:
        """Return an axis that leaves `margin` of its span free at both ends; see `Axis.around`."""
        return cls(Axis.around(math.log10(low), math.log10(high), margin))

    def place(self, value: float) -> float:
        """Return the position of `value`, in percent from the low end."""
        return self.powers.place(math.log10(value) if value > 0 else -math.inf)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about `count` round values in the range with their labels."""
        low, high = self.powers.low, self.powers.high
        if high - low < 1:
            within = Axis(10.0**low, 10.0**high)
            return within.ticks(count)
        every = max(1, round((high - low) / count))
        factors = (1, 2, 5) if high - low < 2 else (1,)
        powers = range(math.floor(low), math.ceil(high) + 1)
        values = [factor * 10.0**power for power in powers if power % every == 0 for factor in factors]
        return [(value, number(value)) for value in values if low <= math.log10(value) <= high]


def _nice(step: float) -> float:
    """Return the number nearest to `step`, by ratio, among 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    ratio = step / power
    return power * next((factor for factor in (1, 2, 5) if ratio < factor * math.sqrt(2)), 10)


def _label(value: float, step: float) -> str:
    """Return `value` with as many digits as `step` needs."""
    if value == 0:
        return "0"
    last = math.floor(math.log10(step) + 1e-9)
    if last >= -5 and abs(value) < 1e7:
        return f"{value:.{max(0, -last)}f}"
    digits = max(1, math.floor(math.log10(abs(value))) - last + 1)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def objective_chart(points: Sequence[tuple[int, float]], goal: Goal, view: View = View.ALL) -> Chart | None:
    """Return a chart of trials' values by number with a line of the best so far; None without values.

    Args:
        points: number and finite value of trials, in order.
        goal: which values are better.
        view: which values it shows; a logarithmic scale shows all if not all are positive.
    """
    if not points:
        return None
    better = max if goal is Goal.MAXIMIZE else min
    best = [points[0][1]]
    for _, value in points[1:]:
        best.append(better(best[-1], value))
    improved = {index for index in range(len(points)) if index == 0 or best[index] != best[index - 1]}
    values = [value for _, value in points]
    low, high = near_best(values, goal) if view is View.BEST else fence(values, goal)
    y_axis = (LogAxis if view is View.LOG and can_be_log(values) else Axis).around(low, high, 0.06)
    x_axis = Axis.around(points[0][0], points[-1][0], 0.015)
    dots = [
        _dot(x_axis, y_axis, points[index], improved=index in improved, beyond=not low <= points[index][1] <= high)
        for index in thin(len(points), improved, MAX_DOTS)
    ]
    return Chart(
        x_ticks=[Tick(x_axis.place(value), label) for value, label in x_axis.ticks(8, whole=True) if value >= 1],
        y_ticks=[Tick(100 - y_axis.place(value), label) for value, label in y_axis.ticks(5)],
        dots=dots,
        path=_steps(x_axis, y_axis, [(points[index][0], best[index]) for index in sorted(improved)]),
    )


def can_be_log(values: Sequence[float]) -> bool:
    """Return whether a logarithmic scale can show the values, and shows more than a linear one."""
    return 0 < min(values) < max(values)


@dataclass(frozen=True, slots=True)
class Line:
    """A curve among others: of the trial `key`; `x` and `y` are its end, and `value` its last value."""

    key: int
    path: str
    x: float
    y: float
    value: float


def lines_chart(
    curves: Mapping[int, Sequence[Point]], goal: Goal, view: View = View.ALL
) -> tuple[Chart, list[Line]] | None:
    """Return the background of a chart of several trials' curves, and the curves; None without any.

    Args:
        curves: the points of each trial's curve, by its number.
        goal: which values are better.
        view: see `objective_chart`.
    """
    finite = {
        number: [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
        for number, points in curves.items()
    }
    finite = {number: points for number, points in finite.items() if points}
    everything = [point for points in finite.values() for point in points]
    if not everything:
        return None
    xs, ys = [x for x, _ in everything], [y for _, y in everything]
    low, high = near_best(ys, goal) if view is View.BEST else fence(ys, goal)
    x_axis = Axis.around(min(xs), max(xs), 0.015)
    y_axis = (LogAxis if view is View.LOG and can_be_log(ys) else Axis).around(low, high, 0.06)
    whole = all(x == int(x) for x in xs)
    background = Chart(
        x_ticks=[Tick(x_axis.place(value), label) for value, label in x_axis.ticks(8, whole=whole) if value >= 0],
        y_ticks=[Tick(100 - y_axis.place(value), label) for value, label in y_axis.ticks(5)],
        dots=[],
        path="",
    )
    return background, [_line(number, points, x_axis, y_axis) for number, points in finite.items()]


def _line(number: int, points: Sequence[Point], x_axis: Axis, y_axis: Axis | LogAxis) -> Line:
    places = [(x_axis.place(x), round(100 - y_axis.place(y), 2)) for x, y in points]
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in places)
    return Line(number, path, *places[-1], points[-1][1])


def front_chart(points: Mapping[int, Point], front: Sequence[int], goals: tuple[Goal, Goal]) -> Chart | None:
    """Return a chart of trials by two metrics; those of the front are marked as improved, and a line joins them.

    Args:
        points: the two finite values of each trial, by its number.
        front: the numbers of the trials that no other trial dominates.
        goals: which values of each metric are better.
    """
    if not points:
        return None
    xs, ys = [x for x, _ in points.values()], [y for _, y in points.values()]
    x_axis, y_axis = Axis.around(*fence(xs, goals[0]), 0.04), Axis.around(*fence(ys, goals[1]), 0.06)
    best = set(front)
    numbers = list(points)
    kept = thin(len(numbers), {index for index, number in enumerate(numbers) if number in best}, MAX_DOTS)
    dots = [_front_dot(x_axis, y_axis, numbers[index], points, best) for index in kept]
    ordered = sorted(points[number] for number in front)
    corners = "L".join(f"{x_axis.place(x):g} {100 - y_axis.place(y):g}" for x, y in ordered)
    return Chart(
        x_ticks=[Tick(x_axis.place(value), label) for value, label in x_axis.ticks(6)],
        y_ticks=[Tick(100 - y_axis.place(value), label) for value, label in y_axis.ticks(5)],
        dots=sorted(dots, key=lambda dot: dot.improved),
        path=f"M{corners}" if len(ordered) > 1 else "",
    )


def _front_dot(x_axis: Axis, y_axis: Axis, number: int, points: Mapping[int, Point], front: set[int]) -> Dot:
    x, y = points[number]
    beyond = not (x_axis.low <= x <= x_axis.high and y_axis.low <= y <= y_axis.high)
    return Dot(x_axis.place(x), round(100 - y_axis.place(y), 2), number, y, number in front, beyond)


def curve_chart(points: Sequence[Point]) -> Chart | None:
    """Return a curve through the points with finite values, in order; None if there are none."""
    finite = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    if not finite:
        return None
    xs, ys = [x for x, _ in finite], [y for _, y in finite]
    x_axis, y_axis = Axis.around(min(xs), max(xs), 0.02), Axis.around(min(ys), max(ys), 0.08)
    kept = [finite[index] for index in thin(len(finite), set(), MAX_DOTS)]
    dots = [_dot(x_axis, y_axis, point) for point in kept]
    whole = all(x == int(x) for x in xs)
    return Chart(
        x_ticks=[Tick(x_axis.place(value), label) for value, label in x_axis.ticks(5, whole=whole) if value >= 0],
        y_ticks=[Tick(100 - y_axis.place(value), label) for value, label in y_axis.ticks(4)],
        dots=dots if len(dots) <= MAX_MARKED else [],
        path="M" + "L".join(f"{dot.x:g} {dot.y:g}" for dot in dots),
    )


def fence(values: Sequence[float], goal: Goal) -> tuple[float, float]:
    """Return the lowest and the highest value that is not an outlier on the bad side.

    A diverged trial must not flatten all others, and a good one is never omitted. An outlier is more than three
    interquartile ranges away from the middle half (Tukey, Exploratory Data Analysis, 1977).
    """
    low, high = min(values), max(values)
    if len(values) < MIN_FOR_FENCE:
        return low, high
    first, _, third = quantiles(values, n=4)
    spread = third - first
    if not 0 < spread < math.inf:
        return low, high
    if goal is Goal.MAXIMIZE:
        return min(value for value in values if value >= first - 3 * spread), high
    return low, max(value for value in values if value <= third + 3 * spread)


def near_best(values: Sequence[float], goal: Goal) -> tuple[float, float]:
    """Return the lowest and the highest value of the best quarter."""
    ordered = sorted(values, reverse=goal is Goal.MAXIMIZE)
    best = ordered[: max(2, math.ceil(len(ordered) / 4))]
    return min(best), max(best)


def _dot(x_axis: Axis, y_axis: Axis | LogAxis, point: Point, *, improved: bool = False, beyond: bool = False) -> Dot:
    key, value = point
    y = round(100 - y_axis.place(value), 2)
    return Dot(x_axis.place(key), y, key, value, improved, beyond)


def _steps(x_axis: Axis, y_axis: Axis | LogAxis, points: Sequence[Point]) -> str:
    """Return a line that keeps its height until the next point, and the last one's to the end."""
    moves = [
        f"{'H' if index else 'M'}{x_axis.place(key):g}{'V' if index else ' '}{100 - y_axis.place(value):g}"
        for index, (key, value) in enumerate(points)
    ]
    return "".join(moves) + "H100"


def sparkline(values: Sequence[tuple[int, float]], goal: Goal) -> str:
    """Return the path of the best value so far in a box of 100 by 20; empty for fewer than two values.

    Args:
        values: number and value of trials, in order.
        goal: what is better.
    """
    if len(values) < 2:
        return ""
    better = max if goal is Goal.MAXIMIZE else min
    bests = list(accumulate((value for _, value in values), better))
    low, high = min(bests), max(bests)
    first, last = values[0][0], values[-1][0]
    points = []
    for (trial, _), best in zip(values, bests, strict=True):
        # The differences of huge values are beyond a float.
        share = 0.5 if high == low else (best / 2 - low / 2) / (high / 2 - low / 2)
        points.append((100 * (trial - first) / (last - first), 19 - 18 * share))
    steps = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, point in pairwise(points):
        if point[1] != before[1]:
            steps.append(f"H{point[0]:.1f}V{point[1]:.1f}")
    return "".join([*steps, "H100"])
