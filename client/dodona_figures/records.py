"""Data of the figures: a study, its metrics, its parameters and its trials, as plain values.

Times are in seconds since the epoch, durations in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Value: TypeAlias = str | bool | int | float
Scale: TypeAlias = Literal["linear", "log", "reverse_log"]
Goal: TypeAlias = Literal["minimize", "maximize"]
# succeeded: a whole training. stopped: ended early, its value is of a part of a training. failed: infeasible.
# running: a worker has it. queued: no worker has it yet.
Mark: TypeAlias = Literal["succeeded", "stopped", "failed", "running", "queued"]
Outcome: TypeAlias = Literal["succeeded", "stopped", "failed", "running", "lost"]

_MARKS: Mapping[str, Mark] = {"SUCCEEDED": "succeeded", "INFEASIBLE": "failed", "REQUESTED": "queued"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the study. `constraint`: it is a safety constraint, not an objective."""

    name: str
    goal: Goal = "maximize"
    constraint: bool = False

    @property
    def sign(self) -> float:
        """1 if larger values are better, else -1."""
        return 1.0 if self.goal == "maximize" else -1.0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the search space.

    Args:
        name: its name.
        low: its lowest value, of a number.
        high: its highest value, of a number.
        scale: how its values are spread, of a number.
        choices: all its values, of a set of names or numbers; empty for a range.
        whole: whether it is a range of whole numbers.
        conditions: each is a parent and the parent's values; the parameter is active if one of them holds. Empty for
            a parameter that is always active.
    """

    name: str
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    choices: tuple[Value, ...] = ()
    whole: bool = False
    conditions: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    @property
    def is_category(self) -> bool:
        """Whether its values are names."""
        return any(isinstance(choice, str | bool) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Report:
    """Measurement of a trial at one step; `elapsed` is the time since its worker began, if it was reported."""

    step: int
    metrics: Mapping[str, float]
    elapsed: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a worker at a trial; `end` is None while it runs."""

    worker: str
    start: float
    end: float | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial.

    Args:
        number: its number, from 1.
        state: REQUESTED, ACTIVE, STOPPING, SUCCEEDED or INFEASIBLE.
        parameters: the values of its active parameters.
        metrics: of its final measurement.
        stopped: whether it was stopped early; its metrics are then of a part of its training.
        reports: what it measured, in order.
        start: when its last attempt began.
        end: when it ended.
        worker: who runs or ran it.
        attempts: all attempts at it in order, if they are known; else one is made of `worker`, `start` and `end`.
        reason: why it is infeasible, or why it was stopped.
        step: of its final measurement.
    """

    number: int
    state: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    stopped: bool = False
    reports: Sequence[Report] = ()
    start: float | None = None
    end: float | None = None
    worker: str = ""
    attempts: Sequence[Attempt] = ()
    reason: str = ""
    step: int = 0

    @property
    def mark(self) -> Mark:
        """Mark of the trial in figures."""
        mark = _MARKS.get(self.state, "running")
        return "stopped" if mark == "succeeded" and self.stopped else mark

    @property
    def seconds(self) -> float:
        """Duration in seconds; 0 if that is not known."""
        return 0.0 if self.start is None or self.end is None else max(0.0, self.end - self.start)

    def value(self, metric: Metric) -> float | None:
        """Return its final value of the metric; None if it has no finite one, or has not succeeded."""
        value = self.metrics.get(metric.name)
        return value if self.state == "SUCCEEDED" and value is not None and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Study:
    """A study and its trials by number.

    Args:
        name: what people call it.
        metrics: the objective first; at least one.
        parameters: each parameter once, parents before their children. Trials may have others too.
        trials: by number.
        created: when it was created.
    """

    name: str
    metrics: tuple[Metric, ...]
    parameters: tuple[Parameter, ...]
    trials: Sequence[Trial]
    created: float | None = None

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """Metrics that are optimized: all but the constraints."""
        return tuple(metric for metric in self.metrics if not metric.constraint) or self.metrics

    @property
    def parameter_names(self) -> list[str]:
        """Names of all parameters: in the order of the space, then those that only trials have."""
        return list(
            dict.fromkeys(
                [*(one.name for one in self.parameters), *(name for trial in self.trials for name in trial.parameters)]
            )
        )

    def metric(self, name: str | None = None) -> Metric:
        """Return the metric of that name; the first objective for None.

        Raises:
            ValueError: the study has no such metric; choose one of those that the message names.
        """
        if name is None:
            return self.objectives[0]
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise ValueError(f"the study has no metric {name!r}; it has {', '.join(one.name for one in self.metrics)}")

    def results(self, metric: Metric, *, whole: bool = True) -> list[tuple[Trial, float]]:
        """Return the succeeded trials with their finite value of the metric.

        Args:
            metric: of the study.
            whole: whether to leave out the trials that were stopped early: their values are of a part of a training.
        """
        found = [(trial, trial.value(metric)) for trial in self.trials if not (whole and trial.stopped)]
        return [(trial, value) for trial, value in found if value is not None]

    def best(self, metric: Metric) -> Trial | None:
        """Return the best trial; one that was stopped early only if no other has succeeded; the first of equal ones."""
        found = self.results(metric) or self.results(metric, whole=False)
        return max(found, key=lambda pair: (metric.sign * pair[1], -pair[0].number))[0] if found else None


def merged(one: Parameter | None, other: Parameter) -> Parameter:
    """Return a parameter that is declared twice, under several conditions: it has the values of both.

    Args:
        one: the earlier declaration; None if there is none.
        other: the later one.
    """
    if one is None:
        return other
    bounds = [bound for bound in (one.low, one.high, other.low, other.high) if bound is not None]
    return Parameter(
        name=one.name,
        low=min(bounds, default=None),
        high=max(bounds, default=None),
        scale=one.scale if one.scale == other.scale else "linear",
        # A range beside choices takes in all of them.
        choices=tuple(dict.fromkeys([*one.choices, *other.choices])) if one.choices and other.choices else (),
        whole=one.whole and other.whole,
        # Declared without a condition, it is always active.
        conditions=tuple(dict.fromkeys([*one.conditions, *other.conditions]))
        if one.conditions and other.conditions
        else (),
    )
