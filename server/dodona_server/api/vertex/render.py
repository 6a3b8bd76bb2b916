"""Conversion of studies, trials and operations between the wire and the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dodona_schemas import vertex as wire
from dodona_schemas.base import own_fields, unchecked
from dodona_server.api.front.shared import read_metrics, read_values, timestamp
from dodona_server.api.vertex.spec import write_spec
from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.budget import Usage
from dodona_server.domain.studies.prior_study import PriorStudy
from dodona_server.domain.studies.study import Study, StudyState
from dodona_server.domain.trials.explanation import PROBABILITY, Explanation
from dodona_server.domain.trials.trial import Measurement, Trial
from dodona_server.service.operations import StopCheck, SuggestResult
from dodona_server.service.trials.attempts import Attempt
from dodona_server.service.trials.explanations import Why

# A page of trials has thousands of these.
_trial = unchecked(wire.Trial)
_measurement = unchecked(wire.Measurement)
# The fields of a trial that Vertex's protocol does not have.
NO_OWN_FIELDS = dict.fromkeys(own_fields(wire.Trial))


def study(value: Study) -> wire.Study:
    """Return a study as on the wire."""
    return wire.Study(
        name=str(value.name),
        display_name=value.display_name,
        study_spec=write_spec(value.spec, value.seed),
        state=wire.StudyState[value.state.value],
        create_time=timestamp(value.create_time),
        inactive_reason=(value.state is StudyState.INACTIVE and value.inactive_reason) or None,
        completion_reason=(value.state is StudyState.COMPLETED and value.inactive_reason) or None,
        metadata=dict(value.metadata),
        archive_time=None if value.archive_time is None else timestamp(value.archive_time),
        wanted_workers=value.wanted_workers,
        trial_count=value.trial_count,
        prior_studies=[_prior_study(one) for one in value.prior_studies] or None,
    )


def _prior_study(value: PriorStudy) -> wire.PriorStudy:
    return wire.PriorStudy(
        name=str(value.name), similarity=value.similarity, trial_count=value.results, weight=value.weight
    )


def trial(name: StudyName, value: Trial) -> wire.Trial:
    """Return a trial of the study `name` as on the wire."""
    return _trial(
        name=f"{name}/trials/{value.number}",
        id=str(value.number),
        state=wire.TrialState[value.state.value],
        parameters=[wire.TrialParameter(parameter_id, chosen) for parameter_id, chosen in value.parameters.items()],
        final_measurement=None if value.final_measurement is None else measurement(value.final_measurement),
        measurements=None if value.measurements is None else [measurement(one) for one in _curve(value)],
        start_time=None if value.start_time is None else timestamp(value.start_time),
        end_time=None if value.end_time is None else timestamp(value.end_time),
        client_id=value.client_id,
        infeasible_reason=value.infeasible_reason or None,
        attempt=value.attempt,
        metadata=dict(value.metadata),
        lease_duration=value.lease and value.lease.seconds,
        lease_expire_time=None if value.lease is None else timestamp(value.lease.expiry),
        checkpoint=value.checkpoint or None,
        last_step=value.last_step,
        stopped=value.stopped or None,
    )


def _curve(value: Trial) -> Iterable[Measurement]:
    """Return the trial's measurements, and behind them the one that the server predicts, as Vertex does."""
    final = value.final_measurement
    return [*(value.measurements or ()), *([final] if final is not None and final.predicted else ())]


def event(value: Event) -> wire.Event:
    """Return an event as on the wire."""
    return wire.Event(
        number=value.number,
        kind=value.kind.value,
        time=timestamp(value.time),
        trial=None if value.trial_number is None else str(value.trial_number),
        detail=value.detail,
    )


def measurement(value: Measurement) -> wire.Measurement:
    """Return a measurement as on the wire."""
    return _measurement(
        elapsed_duration=value.elapsed_seconds,
        step_count=value.step,
        metrics=metrics(value.metrics),
        predicted=value.predicted or None,
    )


def metrics(values: Mapping[str, float]) -> list[wire.Metric]:
    """Return metric values as on the wire."""
    return [wire.Metric(name, number) for name, number in values.items()]


def suggestion(result: SuggestResult, *, with_trials: bool = True) -> wire.Operation:
    """Return an answered call to suggest as on the wire, with or without its trials."""
    time = timestamp(result.create_time)
    return wire.Operation(
        name=str(result.name),
        done=True,
        metadata=wire.SuggestTrialsMetadata(
            generic_metadata=wire.GenericOperationMetadata(create_time=time, update_time=time),
            client_id=result.client_id,
        ),
        response=wire.SuggestTrialsResponse(
            trials=[trial(result.name.study, one) for one in result.trials] if with_trials else [],
            study_state=wire.StudyState[result.study_state.value],
            start_time=time,
            end_time=time,
            worker_stopped=result.worker_stopped or None,
        ),
    )


def stop_check(check: StopCheck) -> wire.EarlyStoppingOperation:
    """Return an answered early-stopping check as on the wire."""
    time = timestamp(check.time / 1000)
    return wire.EarlyStoppingOperation(
        name=str(check.name),
        done=True,
        metadata=wire.CheckTrialEarlyStoppingStateMetadata(
            generic_metadata=wire.GenericOperationMetadata(create_time=time, update_time=time),
            study=str(check.trial.study),
            trial=str(check.trial),
        ),
        response=wire.CheckTrialEarlyStoppingStateResponse(should_stop=check.should_stop),
    )


def outlook(study: Study, used: Usage, now: float) -> wire.StudyOutlook:
    """Return what a study has used until `now`, in seconds since the epoch, and the forecast for the rest."""
    stopping, cost = study.spec.stopping, used.cost(study.spec.stopping.price_per_hour)
    compute, end = stopping.max_compute_duration, stopping.maximum_runtime
    return wire.StudyOutlook(
        finished_trial_count=used.finished,
        compute_duration=used.compute_seconds,
        cost=cost,
        left_trial_count=used.left,
        left_duration=None if end is None else max(0.0, end.end(study.create_time) - now),
        left_compute_duration=None if compute is None else max(0.0, compute - used.compute_seconds),
        left_cost=None if stopping.max_cost is None or cost is None else max(0.0, stopping.max_cost - cost),
        improvement_chance=used.chance,
    )


def why(name: StudyName, value: Why) -> wire.ExplainTrialResponse:
    """Return why a trial of the study `name` was suggested."""
    known = value.known or Explanation()
    expected = known.expected
    return wire.ExplainTrialResponse(
        summary=value.sentence,
        reason=value.reason,
        expected=None
        if expected is None
        else wire.ExpectedMetric(
            metric_id=value.study.spec.objective.id,
            mean=expected.mean,
            low=expected.low,
            high=expected.high,
            probability=PROBABILITY,
        ),
        measured=value.measured,
        exploring=known.exploring,
        best_trial="" if value.best is None else f"{name}/trials/{value.best.number}",
        differences=[
            wire.ParameterDifference(
                parameter_id=one.parameter, value=one.value, best_value=one.best, kept=one.kept, matters=one.matters
            )
            for one in value.differences
        ],
        prior_studies=known.prior_studies,
        hints=known.hints,
        expected_trial_count=value.expected,
        met_trial_count=value.met,
    )


def read_parameters(given: Iterable[wire.TrialParameter]) -> dict[str, object]:
    """Return the parameter values of a trial from the wire.

    Raises:
        InvalidArgument: a parameter occurs twice.
    """
    return read_values((parameter.parameter_id, parameter.value) for parameter in given)


def read_used(given: wire.CompleteTrialRequest) -> dict[str, object] | None:
    """Return the values that a trial really used; None if its worker does not say.

    Raises:
        InvalidArgument: a parameter occurs twice.
    """
    return None if given.parameters is None else read_parameters(given.parameters)


def read_attempt(given: wire.OfAttempt) -> Attempt | None:
    """Return the attempt for which the caller says that it works; None if it does not say."""
    return None if given.attempt is None else Attempt(given.attempt, given.client_id or "")


def read_measurement(given: wire.Measurement) -> Measurement:
    """Return a measurement from the wire.

    Raises:
        InvalidArgument: a metric has no name or occurs twice.
    """
    metrics = read_metrics((metric.metric_id, metric.value) for metric in given.metrics)
    return Measurement(metrics, given.step_count, given.elapsed_duration or 0.0)


def read_final(given: wire.Measurement | None) -> Measurement | None:
    """Return the final measurement from the wire, or None; see `read_measurement`."""
    return None if given is None else read_measurement(given)
