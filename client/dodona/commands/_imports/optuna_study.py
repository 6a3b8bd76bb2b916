"""Import of a study of Optuna: its search space, trials, intermediate values and states."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from dodona import Boolean, Categorical, Client, Discrete, Float, Int, InvalidArgument, NotFound, Study
from dodona._codec import encode, specs_of
from dodona._space import Parameter, Space, Value
from dodona._studies.study import Goal
from dodona.commands._imports.conditions import tree_of
from dodona_schemas import vertex
from dodona_schemas.vertex import CreateTrialRequest, Measurement, Metric, TrialState

# A stepped range of more values becomes a continuous one.
MOST_STEPS = 1000
FINISHED = (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.FAIL)


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of an import: the study's name, and how many trials it added, found there, and left out."""

    study: str
    added: int
    existing: int
    left_out: int


def import_study(storage: str, name: str | None, as_name: str | None, client: Client) -> Imported:
    """Import a study from a database of Optuna; a second time adds only what is new.

    Args:
        storage: Optuna's URL of the database, such as "sqlite:///optuna.db".
        name: Optuna's name of the study; None for the only one there.
        as_name: the study's name here; None for the same.
        client: of the server.

    Raises:
        ValueError: there is no such study, or its space cannot be expressed.
        DodonaError: the server refused.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    source = _source(storage, name)
    trials = source.get_trials(deepcopy=False, states=FINISHED)
    # Only a trial that failed may end before it has chosen all its values.
    whole = [one for one in trials if one.state != OptunaState.FAIL]
    kinds = _kinds(whole or trials)
    space = tree_of(_parameters(kinds), [_values(one, kinds) for one in whole])
    metrics = list(source.metric_names or _metric_names(len(source.directions)))
    goals = dict(zip(metrics, map(_goal, source.directions), strict=True))
    study = _study(client, as_name or source.study_name, space, goals)
    last = max((record.number for record in study.trials()), default=0)
    # Optuna counts steps from 0, which here means that no steps are counted.
    first = 1 if any(0 in one.intermediate_values for one in trials) else 0
    numbers: list[int] = []
    for trial in trials:
        body = _request(trial, metrics, first)
        identity = f"{source.study_name} {trial.number} {trial.datetime_start}"
        body.request_id = hashlib.sha256(identity.encode()).hexdigest()
        try:
            body.parameters = encode(space, _values(trial, kinds))
            numbers.append(study.create_trial(body).number)
        except (ValueError, InvalidArgument):
            if trial.state != OptunaState.FAIL:
                raise
    added = sum(number > last for number in numbers)
    left_out = len(source.get_trials(deepcopy=False)) - len(numbers)
    return Imported(study.display_name, added, len(numbers) - added, left_out)


def _source(storage: str, name: str | None) -> optuna.Study:
    try:
        known = optuna.get_all_study_names(storage)
    except Exception as error:
        raise ValueError(f"{storage} cannot be read as a database of Optuna: {error}") from error
    if name is None and len(known) == 1:
        (name,) = known
    if name is None or name not in known:
        found = f"has the studies {', '.join(sorted(known))}; name one with --study" if known else "has no study"
        raise ValueError(f"{storage} {found}" if name is None else f"there is no study {name!r}: {storage} {found}")
    return optuna.load_study(study_name=name, storage=storage)


def _study(client: Client, name: str, space: Space, goals: Mapping[str, Goal]) -> Study:
    try:
        study = client.get_study(name)
    except NotFound:
        return client.create_study(name, space, metrics=goals)
    if study.metrics != goals:
        raise ValueError(f"{name!r} has the objectives {study.metrics}, and the imported study {dict(goals)}")
    study.add_parameters(specs_of(space))
    return study


def _goal(direction: optuna.study.StudyDirection) -> Goal:
    return "maximize" if direction == optuna.study.StudyDirection.MAXIMIZE else "minimize"


def _metric_names(count: int) -> list[str]:
    return ["objective"] if count == 1 else [f"objective_{index}" for index in range(count)]


def _kinds(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter; ranges that differ between trials are joined."""
    kinds: dict[str, BaseDistribution] = {}
    for trial in trials:
        for name, one in trial.distributions.items():
            before = kinds.get(name, one)
            if isinstance(one, FloatDistribution | IntDistribution) and type(before) is type(one):
                joined: Any = before
                low, high = min(one.low, joined.low), max(one.high, joined.high)
                kinds[name] = type(joined)(low, high, log=one.log, step=one.step)
            elif type(before) is not type(one):
                raise ValueError(f"parameter {name!r} is {before} in one trial and {one} in another")
            else:
                kinds[name] = one
    return kinds


def _parameters(kinds: Mapping[str, BaseDistribution]) -> dict[str, Parameter]:
    return {name: _parameter(kind) for name, kind in kinds.items()}


def _parameter(kind: BaseDistribution) -> Parameter:
    match kind:
        case FloatDistribution() | IntDistribution():
            steps = 0 if kind.step is None else round((kind.high - kind.low) / kind.step)
            is_stepped = kind.step is not None and 0 < steps <= MOST_STEPS and kind.step != 1
            if is_stepped and not kind.log:
                return Discrete([_on_grid(kind, index) for index in range(steps + 1)])
            scale: Any = "log" if kind.log else "linear"
            if isinstance(kind, IntDistribution):
                return Int(kind.low, kind.high, scale=scale)
            return Float(kind.low, kind.high, scale=scale)
        case CategoricalDistribution(choices=choices):
            if all(isinstance(choice, bool) for choice in choices):
                return Boolean()
            if _are_numbers(choices):
                return Discrete(sorted(cast("Sequence[float]", choices)))
            return Categorical([str(choice) for choice in choices])
    raise ValueError(f"{kind} is a distribution that cannot be imported")


def _on_grid(kind: FloatDistribution | IntDistribution, index: int) -> float:
    value = kind.low + index * (kind.step or 1)
    return value if isinstance(kind, IntDistribution) else float(f"{value:.12g}")


def _are_numbers(choices: Sequence[Any]) -> bool:
    return all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices)


def _values(trial: FrozenTrial, kinds: Mapping[str, BaseDistribution]) -> dict[str, Value]:
    return {name: _value(value, kinds[name]) for name, value in trial.params.items() if name in kinds}


def _value(value: Any, kind: BaseDistribution) -> Value:
    if isinstance(kind, CategoricalDistribution):
        is_text = not isinstance(value, bool) and not _are_numbers(kind.choices)
        return str(value) if is_text else value
    return value if isinstance(kind, IntDistribution) else float(value)


def _request(trial: FrozenTrial, metrics: Sequence[str], first: int) -> CreateTrialRequest:
    """Return a trial with its measurements and its end; `first` is added to its steps."""
    curve = [(step + first, value) for step, value in sorted(trial.intermediate_values.items())]
    measured = [_measurement(metrics[:1], [value], step) for step, value in curve]
    body = CreateTrialRequest(measurements=measured, metadata={"optuna/number": str(trial.number)})
    finals = trial.values if trial.state == OptunaState.COMPLETE else [value for _, value in curve[-1:]]
    if trial.state != OptunaState.FAIL and finals and all(map(math.isfinite, finals)):
        body.state = TrialState.SUCCEEDED
        body.final_measurement = _measurement(metrics, finals, curve[-1][0] if curve else 0)
        if trial.state == OptunaState.PRUNED:
            body.stopped = True
            body.metadata["stopping/reason"] = "pruned in Optuna"
    else:
        body.state = TrialState.INFEASIBLE
        body.infeasible_reason = f"{trial.state.name.lower()} in Optuna"
    return body


def _measurement(metrics: Sequence[str], values: Sequence[float], step: int) -> Measurement:
    listed = [Metric(metric_id=name, value=value) for name, value in zip(metrics, values, strict=True)]
    return vertex.Measurement(step_count=step, metrics=listed)
