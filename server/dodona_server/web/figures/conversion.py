"""Studies and trials of the server as `dodona_figures` takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dodona_figures import records
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.space import Categorical, Discrete, Integer, Parameter
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.continuation import TUNER_PREFIX
from dodona_server.domain.trials.trial import STOPPING_REASON, Measurement, Trial

# What ends an attempt.
_ENDS = frozenset(
    {EventKind.TRIAL_LOST, EventKind.TRIAL_REQUESTED, EventKind.TRIAL_SUCCEEDED, EventKind.TRIAL_INFEASIBLE}
)


def figured(study: Study, trials: Iterable[Trial], events: Iterable[Event] = ()) -> records.Study:
    """Return a study for figures.

    Args:
        study: the study.
        trials: by number; with their measurements for figures that show curves.
        events: of the study, in order, for figures that show attempts; without them, only the last attempt is known.
    """
    attempts = _attempts(events)
    return records.Study(
        name=study.display_name or study.name.study_id,
        metrics=tuple(
            records.Metric(
                metric.id, "maximize" if metric.goal == "MAXIMIZE" else "minimize", metric.safety is not None
            )
            for metric in study.spec.metrics
        ),
        parameters=_parameters(study),
        trials=[_trial(trial, attempts.get(trial.number, ())) for trial in trials],
        created=study.create_time,
    )


def _parameters(study: Study) -> tuple[records.Parameter, ...]:
    """Return each parameter once: one that is declared under several conditions has all its values."""
    found: dict[str, records.Parameter] = {}
    for path, parameter in study.spec.space.walk():
        found[parameter.id] = records.merged(found.get(parameter.id), _parameter(parameter, path[-1:]))
    return tuple(found.values())


def _parameter(parameter: Parameter, conditions: Sequence[tuple[str, tuple[records.Value, ...]]]) -> records.Parameter:
    kind, when = parameter.kind, tuple(conditions)
    if isinstance(kind, Categorical):
        return records.Parameter(parameter.id, choices=kind.values, conditions=when)
    scale: records.Scale = "linear"
    if kind.scale != "LINEAR":
        scale = "log" if kind.scale == "LOG" else "reverse_log"
    if isinstance(kind, Discrete):
        low, high = min(kind.values), max(kind.values)
        return records.Parameter(parameter.id, low, high, scale, kind.values, conditions=when)
    whole = isinstance(kind, Integer)
    return records.Parameter(parameter.id, kind.min_value, kind.max_value, scale, whole=whole, conditions=when)


def _trial(trial: Trial, attempts: Sequence[records.Attempt]) -> records.Trial:
    final = trial.final_measurement
    return records.Trial(
        number=trial.number,
        state=trial.state.value,
        # How far a trial trains, and which one it continues, is no part of the search space.
        parameters={name: one for name, one in trial.parameters.items() if not name.startswith(TUNER_PREFIX)},
        metrics={} if final is None else final.metrics,
        stopped=trial.stopped,
        reports=[_report(one) for one in trial.measurements or () if not one.predicted],
        start=trial.start_time,
        end=trial.end_time,
        worker=trial.client_id,
        attempts=attempts,
        reason=trial.infeasible_reason or trial.metadata.get(STOPPING_REASON, ""),
        step=0 if final is None else final.step,
    )


def _report(measurement: Measurement) -> records.Report:
    return records.Report(measurement.step, measurement.metrics, measurement.elapsed_seconds)


def _attempts(events: Iterable[Event]) -> Mapping[int, list[records.Attempt]]:
    """Return the attempts at each trial by its number."""
    found: dict[int, list[records.Attempt]] = {}
    begun: dict[int, Event] = {}
    for event in events:
        number = event.trial_number
        if number is None:
            continue
        if event.kind is EventKind.TRIAL_ACTIVE:
            begun[number] = event
        elif event.kind in _ENDS and (start := begun.pop(number, None)) is not None:
            attempt = records.Attempt(start.detail, start.time, event.time, _outcome(event.kind))
            found.setdefault(number, []).append(attempt)
    for number, start in begun.items():
        found.setdefault(number, []).append(records.Attempt(start.detail, start.time, None, "running"))
    return found


def _outcome(kind: EventKind) -> records.Outcome:
    if kind is EventKind.TRIAL_SUCCEEDED:
        return "succeeded"
    return "failed" if kind is EventKind.TRIAL_INFEASIBLE else "lost"
