"""Convex rule of Vertex AI Vizier: it stops a trial if even an overestimate of its end is not good enough.

Curves of trainings are concave (larger values are better): each step gains less than the ones before. So the mean
slope over the later half of a curve, carried on to the last step, overestimates its end.

What a stopped trial would have reached is predicted by an autoregression of the completed trials' gains: from one
doubling of the position to the next, the gain changes by a factor, which may depend on the learning rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dodona_server.stopping.contract import Case, Decision

DEFAULT_MEASUREMENTS = 5
# A trial is judged from this part of the last step on.
DEFAULT_SHARE = 0.1
# A curve whose values differ by less than this part of them is flat.
FLAT = 1e-9
# The parts of a completed curve at which the autoregression looks: each is twice the one before.
DOUBLINGS = (0.125, 0.25, 0.5, 1.0)
# The factor that is expected without a curve, and how many gains of the size of the largest one that is worth.
PRIOR_FACTOR, PRIOR_WEIGHT = 0.5, 0.1


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None."""
    rule, point = case.rule, case.point
    least = DEFAULT_MEASUREMENTS if rule.min_measurements is None else rule.min_measurements
    if point.count < least:
        return None
    completed = case.curves.completed(least + 1)
    if completed is None:
        return None
    last = completed.longest if rule.max_steps is None else float(rule.max_steps)
    begin = DEFAULT_SHARE * last if rule.min_steps is None else float(rule.min_steps)
    if not begin < point.position < last or abs(point.best - point.mean) <= FLAT * abs(point.best):
        return None
    half = case.curves.best_at(point.position / 2)
    if half is None:
        return None
    most = overestimate(point.position, point.best, half, last)
    if most >= completed.best:
        return None
    return (
        f"at most {case.value(most)} is expected at {case.place(last)}; the best completed trial has "
        f"{case.value(completed.best)}, and this one {case.value(point.best)} at {case.place(point.position)}"
    )


def overestimate(position: float, best: float, half: float, last: float) -> float:
    """Return the value at the position `last` on the line through the later half of a curve.

    Args:
        position: up to which the curve is known.
        best: its best value up to there.
        half: its best value up to half of that position.
        last: the position of the end.
    """
    return best + (best - half) * (last - position) / (position / 2)


@dataclass(frozen=True, slots=True)
class Gains:
    """Gains of a completed trial in successive doublings of the position, and its learning rate, if it has one."""

    gains: Sequence[float]
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Autoregression:
    """Regression of the gain of a doubling on that of the one before.

    Args:
        factor: at the mean learning rate.
        slope: by the logarithm of the learning rate.
        center: the mean of the logarithms.
    """

    factor: float = PRIOR_FACTOR
    slope: float = 0.0
    center: float = 0.0

    def end(self, position: float, best: float, half: float, last: float, learning_rate: float | None = None) -> float:
        """Return the value that a trial would have at the position `last`; see `overestimate`."""
        gain = best - half
        if position >= last or gain <= 0:
            return best
        log = _log(learning_rate)
        away = 0.0 if log is None else log - self.center
        factor = min(max(self.factor + self.slope * away, 0.0), 1.0)
        doublings = math.log2(last / position)
        later = doublings if factor > 1 - FLAT else factor * (1 - factor**doublings) / (1 - factor)
        return min(best + gain * later, overestimate(position, best, half, last))


def fit(trials: Iterable[Gains]) -> Autoregression:
    """Return the autoregression with the least squared errors over all trials, close to the prior without any."""
    pairs = [
        (_log(trial.learning_rate), before, after)
        for trial in trials
        for before, after in itertools.pairwise(trial.gains)
    ]
    if not pairs:
        return Autoregression()
    logs = [log for log, _, _ in pairs if log is not None]
    center = sum(logs) / len(logs) if logs else 0.0
    largest = max(max(before, after) for _, before, after in pairs) or 1.0
    # Normal equations of after = factor * before + slope * (log - center) * before, in units of the largest gain.
    a = d = PRIOR_WEIGHT
    b, e = 0.0, 0.0
    c = PRIOR_WEIGHT * PRIOR_FACTOR
    for log, before, after in pairs:
        x, z, y = before / largest, 0.0 if log is None else log - center, after / largest
        a, b, d = a + x * x, b + x * x * z, d + x * x * z * z
        c, e = c + x * y, e + x * y * z
    determinant = a * d - b * b
    return Autoregression((c * d - b * e) / determinant, (a * e - b * c) / determinant, center)


def _log(learning_rate: float | None) -> float | None:
    return math.log(learning_rate) if learning_rate is not None and 0 < learning_rate < math.inf else None
