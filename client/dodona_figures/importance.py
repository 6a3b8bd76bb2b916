"""How much each parameter matters."""

from __future__ import annotations

from dataclasses import dataclass

from dodona_figures.records import Goal, Study


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the differences between results a parameter explains.

    Args:
        name: the parameter's.
        share: of the variance of the results over the search space, from 0 to 1, by the parameter alone.
        low: the low end of its interval (90%).
        high: the high end.
        total: with its part in what parameters do together.
        trials: how many trials have the parameter.
    """

    name: str
    share: float
    low: float
    high: float
    total: float
    trials: int


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each parameter matters, the most important one first.

    Args:
        study: its name.
        metric: of the results.
        goal: which values are better.
        parameters: empty if there are too few trials.
        trials: how many trials there are with a result.
        needed: how many are needed.
        note: why there is no figure, and what to do; empty if there is one.
    """

    study: str
    metric: str
    goal: Goal
    parameters: list[Share]
    trials: int
    needed: int
    note: str


def importance(study: Study, metric: str | None = None) -> Importance:
    """Return how much each parameter matters; it needs NumPy.

    Args:
        study: with its trials; those that failed or were stopped early are left out.
        metric: the metric's name; None for the objective.

    Raises:
        ValueError: the study has no such metric.
    """
    chosen = study.metric(metric)
    found = study.results(chosen)
    note = "Importance is not computed yet."
    return Importance(study.name, chosen.name, chosen.goal, [], len(found), 0, note)
