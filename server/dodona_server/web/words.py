"""Settings of a study in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dodona_server.algorithms.default import has_many_objectives
from dodona_server.domain.event import ActorKind, Event, EventKind
from dodona_server.domain.metadata import NOTE, TAGS
from dodona_server.domain.space import Categorical, Discrete, Parameter, Scale, SearchSpace, Value
from dodona_server.domain.studies.budget import StoppingConfig, TimeConstraint, Usage
from dodona_server.domain.studies.hint import Hint
from dodona_server.domain.studies.prior_study import PriorStudy
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import budget_of, resumed_from, without_tuner_values
from dodona_server.domain.trials.trial import STOPPING_REASON, Trial
from dodona_server.web.format import MINUTE, duration, hours, moment, money, number, short, shown

# More values are cut, with their number.
MAX_VALUES = 12
DEFAULT = "ALGORITHM_UNSPECIFIED"
_NAMES = {
    "ASHA": "ASHA",
    "CMA_ES": "CMA-ES",
    "FREEZE_THAW": "Freeze-thaw",
    "GP_BANDIT": "Gaussian process bandit",
    "NSGA2": "NSGA-II",
    "PBT": "Population-based training",
    "QUASI_RANDOM_SEARCH": "Quasi-random search",
    "SKOPT_FOREST": "scikit-optimize, random forest",
    "SKOPT_GBRT": "scikit-optimize, boosted trees",
    "SKOPT_GP": "scikit-optimize, Gaussian process",
    "TPE": "TPE",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter in the table of the search space; `depth` counts the parameters on which it depends."""

    id: str
    depth: int
    kind: str
    values: str
    scale: str
    default: Value | None
    hint: Hint | None
    condition: str


def algorithm(spec: StudySpec) -> str:
    """Return the readable name of a study's algorithm: "Random search", "Gaussian process bandit (default)"."""
    if spec.algorithm == DEFAULT:
        return "NSGA-II (default)" if has_many_objectives(spec) else "Gaussian process bandit (default)"
    return algorithm_name(spec.algorithm)


def algorithm_name(algorithm: str) -> str:
    """Return the readable name of an algorithm: "CMA_ES" is "CMA-ES", "RANDOM_SEARCH" is "Random search"."""
    return _NAMES.get(algorithm) or algorithm.replace("_", " ").capitalize()


def trained(parameters: Mapping[str, Value]) -> str:
    """Return which part of a training a trial is: "epochs 11 to 20, continuing trial 17"; empty if it has no budget."""
    budget, parent = budget_of(parameters), resumed_from(parameters)
    epochs = ""
    if budget is not None and budget.epochs is not None and budget.initial_epoch is not None:
        epochs = f"epochs {budget.initial_epoch + 1} to {budget.epochs}"
    return ", ".join(part for part in (epochs, f"continuing trial {parent}" if parent is not None else "") if part)


def goal(metric: Metric) -> str:
    """Return the direction of a metric, and its threshold if it is a safety constraint."""
    if metric.safety is not None:
        side = "at least" if metric.goal is Goal.MAXIMIZE else "at most"
        return f"must be {side} {number(metric.safety.threshold)}"
    return "maximized" if metric.goal is Goal.MAXIMIZE else "minimized"


@dataclass(frozen=True, slots=True)
class FormField:
    """A parameter in a form; it is active if the field `parent` is and has one of `values`."""

    index: int
    parameter: Parameter
    parent: int | None
    values: tuple[Value, ...]
    hint: str


def form_fields(space: SearchSpace) -> list[FormField]:
    """Return the parameters of a search space, each after the one that it depends on."""
    fields: list[FormField] = []

    def add(parameter: Parameter, parent: int | None, values: tuple[Value, ...]) -> None:
        kind, index = parameter.kind, len(fields)
        default = None if kind.default_value is None else f"default {shown(kind.default_value)}"
        log = "log" if not isinstance(kind, Categorical) and kind.scale is not Scale.LINEAR else None
        spans = None if isinstance(kind, Categorical | Discrete) else _values(parameter)
        fields.append(FormField(index, parameter, parent, values, ", ".join(filter(None, (spans, log, default)))))
        for branch in parameter.branches:
            add(branch.parameter, index, branch.values)

    for parameter in space.parameters:
        add(parameter, None, ())
    return fields


def space_rows(spec: StudySpec) -> list[Row]:
    """Return the parameters of a study in order, each below the one that it depends on."""
    return list(_rows(spec.space.parameters, spec.hints, 0, ""))


def _rows(parameters: Sequence[Parameter], hints: Mapping[str, Hint], depth: int, condition: str) -> Iterator[Row]:
    for parameter in parameters:
        kind = parameter.kind
        scale = "" if isinstance(kind, Categorical) else kind.scale.value.replace("_", " ").lower()
        hint = hints.get(parameter.id)
        yield Row(parameter.id, depth, kind.type, _values(parameter), scale, kind.default_value, hint, condition)
        for branch in parameter.branches:
            needed = f"{parameter.id} is {_listed(branch.values, ' or ')}"
            yield from _rows([branch.parameter], hints, depth + 1, needed)


def _values(parameter: Parameter) -> str:
    kind = parameter.kind
    if isinstance(kind, Categorical | Discrete):
        return _listed(kind.values, ", ")
    return f"{number(kind.min_value)} to {number(kind.max_value)}"


def _listed(values: Sequence[Value], between: str) -> str:
    listed = between.join(short(shown(value)) for value in values[:MAX_VALUES])
    return listed if len(values) <= MAX_VALUES else f"{listed} and {len(values) - MAX_VALUES} more"


def budget(stopping: StoppingConfig) -> list[str]:
    """Return the limits of a study, each as a sentence."""
    limits = []
    if stopping.max_num_trials is not None:
        limits.append(f"The study ends after {_counted(stopping.max_num_trials, 'trial')}.")
    if stopping.maximum_runtime is not None:
        limits.append(f"It ends {_time(stopping.maximum_runtime)}.")
    if stopping.max_num_trials_no_progress:
        limits.append(
            f"It ends after {_counted(stopping.max_num_trials_no_progress, 'trial')} without a better result."
        )
    if stopping.max_duration_no_progress is not None:
        limits.append(f"It ends after {duration(stopping.max_duration_no_progress)} without a better result.")
    if stopping.max_failed_trials is not None:
        limits.append(f"It ends after {_counted(max(1, stopping.max_failed_trials), 'failed trial')}.")
    if stopping.max_compute_duration is not None:
        limits.append(f"It ends after {duration(stopping.max_compute_duration)} of compute.")
    if stopping.max_cost is not None:
        limits.append(f"It ends when its compute has cost {money(stopping.max_cost)}.")
    if stopping.improvement_unlikely is not None:
        limits.append(f"It ends when the chance of a clear improvement is below {stopping.improvement_unlikely:.0%}.")
    if stopping.min_num_trials:
        limits.append(f"At least {_counted(stopping.min_num_trials, 'trial')} are run before another limit ends it.")
    if stopping.minimum_runtime is not None:
        limits.append(f"It ends by a limit other than the number of trials only {_time(stopping.minimum_runtime)}.")
    if stopping.should_stop_asap:
        limits.append("Running trials are then stopped.")
    return limits or ["The study has no limit: it runs until you complete it."]


def _time(constraint: TimeConstraint) -> str:
    if constraint.end_time is not None:
        return f"at {moment(constraint.end_time)}"
    return f"{duration(constraint.max_duration or 0)} after its creation"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def stopping_rule(spec: StudySpec) -> str:
    """Return when the study's rule stops a trial early, as a sentence."""
    rule = spec.stopping_rule
    if rule is None:
        return "No trial is stopped early."
    if not spec.stops_trials:
        name = rule.method.value.replace("_", " ").lower()
        return f"The rule is {name}; this server cannot apply it to this study, so no trial is stopped."
    if rule.method in _FIGURED:
        return _FIGURED[rule.method](rule)
    return _SENTENCES[rule.method]


_SENTENCES = {
    StoppingMethod.AUTOMATIC: "Automatic: a trial is stopped when its predicted end has almost no chance to be better "
    "than that of its strongest rival, or when it diverges.",
    StoppingMethod.DECAY_CURVE: "Decay curve: a trial is stopped when its predicted end is very unlikely to exceed the "
    "best so far.",
    StoppingMethod.CONVEX: "Convex: a trial is stopped when even an overestimate of its end is worse than the best "
    "completed trial.",
}


def _median(rule: StoppingRule) -> str:
    return (
        "Median: a trial is stopped when its best value is worse than the median of the other trials' means up to the "
        f"same {_place(rule)}."
    )


def _asha(rule: StoppingRule) -> str:
    below = "" if rule.max_resource is None else f", below {_place(rule)} {number(rule.max_resource)}"
    return (
        f"ASHA: rungs begin at {_place(rule)} {number(rule.min_resource)}, each {number(rule.reduction_factor)} times "
        f"the one before{below}. A trial is stopped at a rung unless it is among the best 1 of "
        f"{number(rule.reduction_factor)} there."
    )


def _no_progress(rule: StoppingRule) -> str:
    least = f" by more than {number(rule.least_improvement)}" if rule.least_improvement else ""
    places = "seconds" if rule.use_elapsed_time else "steps"
    patience = f"{number(rule.patience)} {places}"
    return f"No progress: a trial is stopped when its best value has not improved{least} for {patience}."


def _place(rule: StoppingRule) -> str:
    return "second" if rule.use_elapsed_time else "step"


_FIGURED = {
    StoppingMethod.MEDIAN: _median,
    StoppingMethod.ASHA: _asha,
    StoppingMethod.NO_PROGRESS: _no_progress,
}


def stop_reason(trial: Trial) -> str:
    """Return why the trial was stopped early; empty if it was not, or nobody said why."""
    return trial.metadata.get(STOPPING_REASON, "")


def compute(stopping: StoppingConfig, usage: Usage) -> str:
    """Return the compute that is used, what it cost, and what is left of both, in words; empty before the first minute.

    Minutes are whole, so that a page stays the same between two of them.
    """
    used = dataclasses.replace(usage, compute_seconds=usage.compute_seconds // MINUTE * MINUTE)
    if not used.compute_seconds:
        return ""
    cost = used.cost(stopping.price_per_hour)
    left = []
    if stopping.max_compute_duration is not None:
        left.append(f"{hours(max(0.0, stopping.max_compute_duration - used.compute_seconds))} of compute")
    if stopping.max_cost is not None and cost is not None:
        left.append(f"{money(max(0.0, stopping.max_cost - cost))} to spend")
    spent = "" if cost is None else f", which cost {money(cost)}"
    return f"{hours(used.compute_seconds)} of compute{spent}" + (f"; left: {' and '.join(left)}" if left else "")


def budget_message(stopping: StoppingConfig) -> dict[str, Any]:
    """Return the limits of a study as the API has them, without those that are not set."""
    limits = {one.name: getattr(stopping, one.name) for one in dataclasses.fields(stopping)}
    return {_wire_name(name): _wire(name, value) for name, value in limits.items() if value is not None}


def _wire_name(name: str) -> str:
    first, *rest = (f"{name}_constraint" if name.endswith("_runtime") else name).split("_")
    return first + "".join(map(str.capitalize, rest))


def _wire(name: str, value: Any) -> Any:
    if isinstance(value, TimeConstraint):
        return _constraint(value)
    return f"{value}s" if "_duration" in name else value


def _constraint(constraint: TimeConstraint) -> dict[str, str]:
    if constraint.end_time is not None:
        return {"endTime": datetime.fromtimestamp(constraint.end_time, UTC).isoformat()}
    return {"maxDuration": f"{constraint.max_duration}s"}


_EVENTS = {
    EventKind.STUDY_CREATED: "created",
    EventKind.STUDY_PAUSED: "paused",
    EventKind.STUDY_RESUMED: "resumed",
    EventKind.STUDY_COMPLETED: "completed",
    EventKind.STUDY_RENAMED: "renamed to",
    EventKind.STUDY_ARCHIVED: "archived",
    EventKind.STUDY_UNARCHIVED: "taken out of the archive",
    EventKind.PARAMETERS_ADDED: "parameters added",
    EventKind.PRIOR_STUDIES_FOUND: "learns from",
    EventKind.MAX_TRIALS_CHANGED: "trial limit set to",
    EventKind.BUDGET_CHANGED: "budget changed",
    EventKind.STOPPING_RULE_CHANGED: "early stopping set to",
    EventKind.WANTED_WORKERS_CHANGED: "number of workers set to",
    EventKind.HINTS_CHANGED: "hints set:",
    EventKind.WORKER_STOPPED: "worker asked to stop",
    EventKind.WORKER_RESUMED: "worker allowed to continue",
    EventKind.SUGGESTION_FALLBACK: "quasi-random suggestion",
    EventKind.TRIAL_LOST: "lost the worker of",
    EventKind.TRIAL_REQUESTED: "queued",
    EventKind.TRIAL_ACTIVE: "started",
    EventKind.TRIAL_STOPPING: "asked to stop",
    EventKind.TRIAL_SUCCEEDED: "succeeded",
    EventKind.TRIAL_INFEASIBLE: "failed",
    EventKind.TRIAL_DELETED: "deleted",
}


def event_words(event: Event) -> str:
    """Return what happened: "started", "asked to stop"."""
    return _EVENTS.get(event.kind, event.kind.value.replace("_", " ").lower())


def event_actor(event: Event) -> str:
    """Return the cause of an event: "by worker-1"; empty if its detail says so, or nobody knows."""
    actor = event.actor
    if actor is None or actor.kind is ActorKind.SERVER:
        return ""
    name = actor.client_id or "a user"
    return "" if name == event.detail else f"by {name}"


def prior_study(one: PriorStudy) -> str:
    """Return how much a study learns from an earlier one: "similarity 0.93, 50 results, counts 12%"."""
    known = [
        None if one.similarity is None else f"similarity {one.similarity:.2f}",
        None if one.results is None else f"{one.results} results",
        "no model yet" if one.weight is None else f"counts {one.weight:.0%}",
    ]
    return ", ".join(part for part in known if part)


def tags(metadata: Mapping[str, str]) -> list[str]:
    """Return the tags in metadata."""
    return [tag for tag in metadata.get(TAGS, "").split(",") if tag]


def note(metadata: Mapping[str, str]) -> str:
    """Return the note in metadata; empty for none."""
    return metadata.get(NOTE, "")


FILTERS = {
    "tags": tags,
    "budget_message": budget_message,
    "compute": compute,
    "event_words": event_words,
    "event_actor": event_actor,
    "note": note,
    "prior_study": prior_study,
    "algorithm": algorithm,
    "algorithm_name": algorithm_name,
    "trained": trained,
    "searched": without_tuner_values,
    "goal": goal,
    "form_fields": form_fields,
    "space_rows": space_rows,
    "budget": budget,
    "stopping_rule": stopping_rule,
    "stop_reason": stop_reason,
}
