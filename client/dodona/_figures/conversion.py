"""Studies and records of trials as `dodona_figures` takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from dodona._codec import TUNER_PREFIX
from dodona._space import Boolean, Categorical, Discrete, Float, Int, Parameter, Space, Value, values_of
from dodona._trials.record import TrialRecord
from dodona_figures import records


def study_of(
    name: str,
    space: Space,
    metrics: Iterable[tuple[str, records.Goal, bool]],
    trials: Iterable[TrialRecord],
    created: datetime | None = None,
) -> records.Study:
    """Return a study for figures.

    Args:
        name: what people call it.
        space: its search space.
        metrics: name, goal and whether it is a constraint, of each metric.
        trials: its trials by number.
        created: when it was created.
    """
    return records.Study(
        name=name,
        metrics=tuple(records.Metric(*metric) for metric in metrics),
        parameters=tuple(_declared(space, None, {}).values()),
        trials=[_trial(trial) for trial in trials],
        created=_seconds(created),
    )


def records_of(trials: Sequence[TrialRecord], goal: records.Goal | None) -> records.Study:
    """Return records of trials as a study without a declared space.

    Args:
        trials: at least one has metrics; the first one's first metric is the objective.
        goal: which values of all metrics are better.

    Raises:
        ValueError: the goal is missing, or no trial has a metric.
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    if not names:
        raise ValueError("no record has a metric; a figure needs at least one result")
    if goal not in ("minimize", "maximize"):
        raise ValueError(f"goal is {goal!r}; records need goal='minimize' or goal='maximize'")
    return study_of("", {}, [(name, goal, False) for name in names], sorted(trials, key=lambda one: one.number))


def _declared(
    space: Space, condition: tuple[str, tuple[Value, ...]] | None, found: dict[str, records.Parameter]
) -> dict[str, records.Parameter]:
    """Add all parameters of a space to those found, parents before their children, and return them."""
    for name, parameter in space.items():
        found[name] = records.merged(found.get(name), _parameter(name, parameter, condition))
        for key, children in parameter.children.items():
            _declared(children, (name, values_of(key)), found)
    return found


def _parameter(name: str, parameter: Parameter, condition: tuple[str, tuple[Value, ...]] | None) -> records.Parameter:
    when = () if condition is None else (condition,)
    if isinstance(parameter, Float | Int):
        whole = isinstance(parameter, Int)
        return records.Parameter(name, parameter.min, parameter.max, parameter.scale, (), whole, when)
    if isinstance(parameter, Discrete):
        values = tuple(parameter.values)
        return records.Parameter(name, min(values), max(values), parameter.scale, values, conditions=when)
    choices: Sequence[Value] = (False, True)
    if isinstance(parameter, Categorical):
        choices = parameter.choices
    elif not isinstance(parameter, Boolean):
        raise TypeError(f"{parameter!r} has no axis")
    return records.Parameter(name, choices=tuple(choices), conditions=when)


def _trial(trial: TrialRecord) -> records.Trial:
    return records.Trial(
        number=trial.number,
        state=trial.state,
        # How far a trial trains, and which one it continues, is no part of the search space.
        parameters={name: one for name, one in trial.parameters.items() if not name.startswith(TUNER_PREFIX)},
        metrics=trial.metrics,
        stopped=trial.stopped,
        reports=[
            records.Report(one.step, one.metrics, None if one.elapsed is None else one.elapsed.total_seconds())
            for one in trial.measurements
        ],
        start=_seconds(trial.start),
        end=_seconds(trial.end),
        worker=trial.worker or "",
        reason=trial.infeasible_reason or trial.stopping_reason or "",
        step=trial.step,
    )


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()
