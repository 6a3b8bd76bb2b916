"""Distribution functions of the results of one or more studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona_figures.records import Goal, Study
from dodona_figures.thin import thin


@dataclass(frozen=True, slots=True)
class Distribution:
    """Share `y` of a study's trials whose value is at most `x`."""

    study: str
    x: list[float]
    y: list[float]


@dataclass(frozen=True, slots=True)
class Edf:
    """Empirical distribution function of the results of one or more studies."""

    metric: str
    goal: Goal
    lines: list[Distribution]


def edf(studies: Sequence[Study], metric: str | None = None, most: int | None = None) -> Edf:
    """Return the empirical distribution function of the results of each study, without trials stopped early.

    Args:
        studies: at least one.
        metric: the metric's name; None for the objective of the first study.
        most: how many points a line may have; None for all.

    Raises:
        ValueError: a study has no such metric.
    """
    chosen = studies[0].metric(metric)
    lines = []
    for study in studies:
        values = sorted(value for _, value in study.results(study.metric(chosen.name)))
        kept = list(range(len(values))) if most is None else thin(len(values), set(), most)
        lines.append(
            Distribution(study.name, [values[index] for index in kept], [(index + 1) / len(values) for index in kept])
        )
    return Edf(chosen.name, chosen.goal, lines)
