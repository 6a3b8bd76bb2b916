"""Curves: the objective of a trial while it trains, as stopping rules see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A trial's curve up to a position; values are oriented so that larger is better.

    Args:
        position: a step, or seconds.
        best: the best value so far.
        mean: the mean of all values so far.
        count: how many values there were.
    """

    position: float
    best: float
    mean: float
    count: int

    def after(self, position: float, value: float) -> CurvePoint:
        """Return the curve with one more value; a repeated or smaller position counts at the last one."""
        count = self.count + 1
        # Not by the difference of both, which may overflow.
        mean = self.mean * (self.count / count) + value / count
        return CurvePoint(max(position, self.position), max(self.best, value), mean, count)


def first_point(position: float, value: float) -> CurvePoint:
    """Return a curve of one value."""
    return CurvePoint(position, value, value, 1)
