"""Explanation of why a trial was suggested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dodona._codec import decode
from dodona._space import Parameter, Value
from dodona_schemas import vertex


@dataclass(frozen=True)
class Expectation:
    """Value of a metric that the algorithm's model expected; with `probability` it is from `low` to `high`."""

    metric: str
    mean: float
    low: float
    high: float
    probability: float


@dataclass(frozen=True)
class Difference:
    """A parameter with another value than in the best trial; None if that trial does not have it.

    `kept` is the part of the acquisition function that would be left with the best trial's value, from 0 to 1; None if
    the algorithm does not tell. The parameter `matters` if this is much less than 1.
    """

    parameter: str
    value: Value
    best: Value | None
    kept: float | None
    matters: bool


@dataclass(frozen=True)
class Explanation:
    """Explanation of a trial: why it was suggested, and its result; the text is `summary`. None stands for unknown.

    `exploring` is the part of the acquisition function that comes from not knowing, from 0 (exploiting) to 1.
    `best_trial` is the number of the best trial when this one was suggested. `prior_studies` is the part of the
    expectation that comes from earlier studies, from 0 to 1. `hints` is the factor by which hints change the
    acquisition function at the trial. Of the study's latest trials, `expected_trials` had an expectation and have a
    result, and `met_trials` of these results were in their interval.
    """

    summary: str
    reason: str
    expected: Expectation | None
    measured: float | None
    exploring: float | None
    best_trial: int | None
    differences: tuple[Difference, ...]
    prior_studies: float | None
    hints: float | None
    expected_trials: int
    met_trials: int

    def __str__(self) -> str:
        return self.summary


def explanation_of(space: Mapping[str, Parameter], wire: vertex.ExplainTrialResponse) -> Explanation:
    """Return the explanation that the server sent, with values in Python's types."""
    one = wire.expected
    return Explanation(
        summary=wire.summary,
        reason=wire.reason,
        expected=None if one is None else Expectation(one.metric_id, one.mean, one.low, one.high, one.probability),
        measured=wire.measured,
        exploring=wire.exploring,
        best_trial=int(wire.best_trial.rpartition("/")[2]) if wire.best_trial else None,
        differences=tuple(_difference(space, one) for one in wire.differences),
        prior_studies=wire.prior_studies,
        hints=wire.hints,
        expected_trials=wire.expected_trial_count,
        met_trials=wire.met_trial_count,
    )


def _difference(space: Mapping[str, Parameter], wire: vertex.ParameterDifference) -> Difference:
    name = wire.parameter_id

    def decoded(given: Any) -> Value:
        return decode(space, [vertex.TrialParameter(parameter_id=name, value=given)])[name]

    best = None if wire.best_value is None else decoded(wire.best_value)
    return Difference(name, decoded(wire.value), best, wire.kept, wire.matters)
