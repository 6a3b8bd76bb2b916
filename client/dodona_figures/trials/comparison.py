"""Several studies beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_figures.records import Goal, Metric, Study, Value
from dodona_figures.trials.history import TITLES, BestSoFar, By, history


@dataclass(frozen=True, slots=True)
class Compared:
    """Study of a comparison: its best value so far, its best trial, and its number of trials.

    `seconds` is the compute time of all its trials. `parameters` are those of the best trial.
    """

    study: str
    best: BestSoFar
    number: int | None
    value: float | None
    parameters: dict[str, Value]
    trials: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Shared:
    """A parameter that several studies have, with its value in the best trial of each; None where it is not active."""

    name: str
    values: list[Value | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Best values so far of several studies; x as in `History`, from the start of each study."""

    metric: str
    goal: Goal
    by: By
    x_title: str
    x_unit: str
    studies: list[Compared]
    parameters: list[Shared]


def compare(studies: Sequence[Study], metric: str | None = None, by: By = "trial") -> Comparison:
    """Return several studies beside each other: the best so far of each, and the parameters that they share.

    Args:
        studies: at least one.
        metric: the metric's name; None for the objective of the first study.
        by: what the x axis is.

    Raises:
        ValueError: a study has no such metric.
    """
    chosen = studies[0].metric(metric)
    found = [_compared(study, study.metric(chosen.name), by) for study in studies]
    having = Counter(name for study in studies for name in study.parameter_names)
    shared = [name for name, count in having.items() if count > 1 or len(studies) == 1]
    return Comparison(
        metric=chosen.name,
        goal=chosen.goal,
        by=by,
        x_title=TITLES[by],
        x_unit="" if by == "trial" else "s",
        studies=found,
        parameters=[Shared(name, [one.parameters.get(name) for one in found]) for name in shared],
    )


def _compared(study: Study, metric: Metric, by: By) -> Compared:
    line = history(study, metric.name, by, most=4)
    best = study.best(metric)
    return Compared(
        study.name,
        line.best,
        None if best is None else best.number,
        None if best is None else best.value(metric),
        {} if best is None else dict(best.parameters),
        len(study.trials),
        sum(trial.seconds for trial in study.trials),
    )
