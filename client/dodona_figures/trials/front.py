"""Figures of several objectives: the Pareto front and its hypervolume."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import le

from dodona_figures.records import Goal, Mark, Metric, Study
from dodona_figures.thin import thin

# With more than two objectives, the hypervolume is the share of this many random points that the front dominates.
SAMPLES = 4000

Losses = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pareto:
    """Trials by several objectives, and the front: the trials that no other trial beats in all of them.

    Args:
        study: its name.
        metrics: the objectives.
        goals: of each objective.
        numbers: of the trials.
        marks: of the trials.
        rows: the values of each trial, in the order of the objectives.
        front: the numbers of the trials of the front, by the first objective, best first.
        total: how many trials have a result; `rows` may be fewer.
    """

    study: str
    metrics: list[str]
    goals: list[Goal]
    numbers: list[int]
    marks: list[Mark]
    rows: list[list[float]]
    front: list[int]
    total: int


@dataclass(frozen=True, slots=True)
class Hypervolume:
    """Hypervolume over trials: each entry is an improvement; the last one holds up to the trial `end`.

    Args:
        study: its name.
        metrics: the objectives.
        reference: the worst value of each objective, the corner up to which the volume counts.
        numbers: of the trials that made it larger.
        values: the share of the box between the worst and the best values that the front dominates, from 0 to 1.
        end: the number of the last trial.
        sampled: whether the values are estimates: of more than two objectives, to about 1 percent of the box.
    """

    study: str
    metrics: list[str]
    reference: list[float]
    numbers: list[int]
    values: list[float]
    end: int
    sampled: bool


def pareto(study: Study, metrics: Sequence[str] | None = None, most: int | None = None) -> Pareto:
    """Return the Pareto front, and the trials behind it.

    Args:
        study: with its trials; those stopped early are left out.
        metrics: the objectives' names; None for all.
        most: how many trials to return at most, besides those of the front; None for all.

    Raises:
        ValueError: the study has no such metric, or fewer than two objectives.
    """
    chosen, found = _results(study, metrics)
    front = _front({number: losses for number, _, losses in found})
    best = set(front)
    members = {index for index, (number, _, _) in enumerate(found) if number in best}
    kept = range(len(found)) if most is None else sorted({*thin(len(found), set(), most), *members})
    values = {trial.number: trial for trial in study.trials}
    shown = [values[found[index][0]] for index in kept]
    return Pareto(
        study=study.name,
        metrics=[metric.name for metric in chosen],
        goals=[metric.goal for metric in chosen],
        numbers=[trial.number for trial in shown],
        marks=[trial.mark for trial in shown],
        rows=[[trial.metrics[metric.name] for metric in chosen] for trial in shown],
        front=front,
        total=len(found),
    )


def hypervolume(study: Study, metrics: Sequence[str] | None = None) -> Hypervolume:
    """Return the hypervolume that the trials dominate together, over the trials.

    Args:
        study: as for `pareto`.
        metrics: as for `pareto`.

    Raises:
        ValueError: the study has no such metric, or fewer than two objectives.
    """
    chosen, found = _results(study, metrics)
    losses = [one for _, _, one in found]
    worst, best = tuple(map(max, zip(*losses, strict=True))), tuple(map(min, zip(*losses, strict=True)))
    scaled = [
        (number, tuple((loss - low) / ((high - low) or 1.0) for loss, low, high in zip(one, best, worst, strict=True)))
        for number, _, one in found
    ]
    steps = _areas(scaled) if len(chosen) == 2 else _volumes(scaled, len(chosen))
    return Hypervolume(
        study=study.name,
        metrics=[metric.name for metric in chosen],
        reference=[metric.sign * -loss for metric, loss in zip(chosen, worst, strict=False)],
        numbers=[number for number, _ in steps],
        values=[volume for _, volume in steps],
        end=max((trial.number for trial in study.trials), default=0),
        sampled=len(chosen) > 2,
    )


def _results(study: Study, names: Sequence[str] | None) -> tuple[list[Metric], list[tuple[int, Mark, Losses]]]:
    """Return the objectives, and the number, the mark and the losses of each trial that has all of them."""
    chosen = [study.metric(name) for name in names] if names is not None else list(study.objectives)
    if len(chosen) < 2:
        raise ValueError(f"a Pareto front needs two objectives; {study.name!r} has {chosen[0].name!r} alone")
    found = []
    for trial in study.trials:
        values = [trial.value(metric) for metric in chosen]
        known = [value for value in values if value is not None]
        if len(known) == len(chosen) and not trial.stopped:
            signs = (metric.sign for metric in chosen)
            found.append((trial.number, trial.mark, tuple(-sign * v for sign, v in zip(signs, known, strict=True))))
    return chosen, found


def dominates(better: Losses, worse: Losses) -> bool:
    """Return whether losses are nowhere worse and somewhere better than others."""
    return better != worse and all(map(le, better, worse))


def _front(losses: dict[int, Losses]) -> list[int]:
    """Return the numbers of those that no other dominates, by the first loss."""
    front: list[tuple[Losses, int]] = []
    # One that dominates another comes before it.
    for one, number in sorted((one, number) for number, one in losses.items()):
        # With two losses, the last of the front has the lowest second loss of all so far.
        rivals = front[-1:] if len(one) == 2 else front
        if not any(dominates(other, one) for other, _ in rivals):
            front.append((one, number))
    return [number for _, number in front]


def _areas(scaled: Sequence[tuple[int, Losses]]) -> list[tuple[int, float]]:
    """Return the trials that make the area larger with the area after each; all losses are from 0 to 1."""
    front: list[Losses] = []
    steps: list[tuple[int, float]] = []
    for number, one in scaled:
        if any(other == one or dominates(other, one) for other in front):
            continue
        front = sorted([*(other for other in front if not dominates(one, other)), one])
        lows = [other[0] for other in front] + [1.0]
        area = sum((right - left) * (1.0 - one[1]) for (left, right), one in zip(pairwise(lows), front, strict=True))
        if area > (steps[-1][1] if steps else 0.0):
            steps.append((number, area))
    return steps


def _volumes(scaled: Sequence[tuple[int, Losses]], dimensions: int) -> list[tuple[int, float]]:
    """Return the same with estimated volumes."""
    chance = random.Random(0)  # noqa: S311 - an estimate needs no secrets
    rest = [tuple(chance.random() for _ in range(dimensions)) for _ in range(SAMPLES)]
    steps: list[tuple[int, float]] = []
    for number, one in scaled:
        left = [point for point in rest if not all(map(le, one, point))]
        if len(left) < len(rest):
            rest = left
            steps.append((number, 1.0 - len(rest) / SAMPLES))
    return steps
