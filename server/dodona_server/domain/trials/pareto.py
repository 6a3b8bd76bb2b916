"""Pareto front of a study with several metrics, and its hypervolume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import le

from dodona_server.domain.studies.study import Goal, StudySpec

# The work grows with the number of points, to a power that grows with the number of metrics.
MOST_POINTS = 200
MOST_METRICS = 4

Losses = tuple[float, ...]


class Front:
    """Trials that no other trial dominates, in order, and the worst value of each metric.

    Args:
        spec: the study's.
        results: number and final metrics of each succeeded trial.
    """

    def __init__(self, spec: StudySpec, results: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        self._spec = spec
        self._front: list[tuple[Losses, int]] = []
        self.worst: dict[str, float] = {}
        for number, metrics in results:
            self._add(number, metrics)

    def _add(self, number: int, metrics: Mapping[str, float]) -> None:
        for metric in self._spec.metrics:
            value = metrics[metric.id]
            worst = self.worst.setdefault(metric.id, value)
            if metric.is_better(worst, value):
                self.worst[metric.id] = value
        losses = self._losses(metrics)
        if any(dominates(other, losses) for other, _ in self._front):
            return
        self._front = [(other, one) for other, one in self._front if not dominates(losses, other)]
        self._front.append((losses, number))

    @property
    def numbers(self) -> list[int]:
        """Numbers of the trials of the front, in order."""
        return [number for _, number in self._front]

    def hypervolume(self) -> float | None:
        """Return the volume that the front dominates, with the worst values as the reference point.

        None if there is no trial, or if it would take too long: with more than 4 metrics, or with more than 2 metrics
        and more than 200 trials in the front.
        """
        metrics = len(self._spec.metrics)
        if not self._front or metrics > MOST_METRICS or (metrics > 2 and len(self._front) > MOST_POINTS):
            return None
        reference = self._losses(self.worst)
        return volume([losses for losses, _ in self._front], reference)

    def _losses(self, metrics: Mapping[str, float]) -> Losses:
        return tuple(
            metrics[metric.id] if metric.goal is Goal.MINIMIZE else -metrics[metric.id] for metric in self._spec.metrics
        )


def dominates(better: Losses, worse: Losses) -> bool:
    """Return whether `better` is nowhere worse and somewhere better; `nondominated` has the same test for arrays."""
    return better != worse and all(map(le, better, worse))


def volume(points: Sequence[Losses], reference: Losses) -> float:
    """Return the volume between the points and the reference, counting overlaps once.

    It sums the volume of each point, less what later points dominate of it (While, Bradstreet and Barone,
    "A fast way of calculating exact hypervolumes", 2012).

    Args:
        points: each with a loss for every objective, none greater than that of the reference.
        reference: the corner that all points dominate.
    """
    if len(reference) == 2:
        return _area(points, reference)
    total = 0.0
    ordered = sorted(set(points))
    for index, point in enumerate(ordered):
        limited = [tuple(map(max, point, other)) for other in ordered[index + 1 :]]
        total += _box(point, reference) - volume(_undominated(limited), reference)
    return total


def _area(points: Sequence[Losses], reference: Losses) -> float:
    total, lowest = 0.0, reference[1]
    for first, second in sorted(points):
        if second < lowest:
            total += (reference[0] - first) * (lowest - second)
            lowest = second
    return total


def _box(point: Losses, reference: Losses) -> float:
    product = 1.0
    for loss, most in zip(point, reference, strict=True):
        product *= most - loss
    return product


def _undominated(points: Sequence[Losses]) -> list[Losses]:
    """Return the points that no other point is at least as good as; of equal points, one."""
    kept: list[Losses] = []
    for point in sorted(set(points)):  # points that dominate another come before it
        if not any(dominates(other, point) for other in kept):
            kept.append(point)
    return kept
