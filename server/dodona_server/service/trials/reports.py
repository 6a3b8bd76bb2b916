"""Reports of workers and users: what they contain, checks without the database, and how they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import DodonaError, InvalidArgument, inside
from dodona_server.domain.names import TrialName
from dodona_server.domain.states import Refuse
from dodona_server.domain.studies.study import MAX_METRIC_NAME_LENGTH
from dodona_server.domain.trials.transitions import Facts, Step
from dodona_server.domain.trials.trial import Measurement, Trial
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.service.computing.curve_models import CurveModels
from dodona_server.service.saving import save
from dodona_server.service.trials.attempts import Attempt, act, actor_of, check_attempt, lock_named, refusal_to, same
from dodona_server.service.trials.stopping import judge
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import measurements
from dodona_server.storage.trials.trials import Named

MAX_REPORTS = 1000
MAX_METRICS = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """A measurement that a worker reports.

    Args:
        measurement: the metrics at one step.
        attempt: the one the worker runs; None for the last one.
        checkpoint: where the next attempt can resume; empty to leave it as it is.
        execution: which training of the trial it belongs to, from 0 on.
    """

    measurement: Measurement
    attempt: Attempt | None = None
    checkpoint: str = ""
    execution: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a trial that was run elsewhere: its final measurement, its other measurements, or both.

    An infeasible one needs neither. If it was stopped early, these are a part of its curve.
    """

    final: Measurement | None
    measurements: Sequence[Measurement] = ()
    infeasible_reason: str = ""
    stopped: bool = False


def check_result(result: Result) -> None:
    """Refuse a result with too many measurements or with an invalid one.

    Raises:
        InvalidArgument: there are too many, or see `check`.
    """
    if result.final is not None and result.final.metrics:
        check(result.final)
    if len(result.measurements) > MAX_REPORTS:
        raise InvalidArgument(f"{len(result.measurements)} measurements; {MAX_REPORTS} are allowed", "measurements")
    for index, measurement in enumerate(result.measurements):
        with inside(f"measurements[{index}]"):
            check(measurement)


def check(measurement: Measurement) -> None:
    """Refuse a measurement that no trial can have.

    Raises:
        InvalidArgument: it has no metric, too many or one with a long name, or a negative step or time.
    """
    if not measurement.metrics:
        raise InvalidArgument("is empty; a measurement needs at least one metric", "measurement.metrics")
    if len(measurement.metrics) > MAX_METRICS:
        raise InvalidArgument(f"{len(measurement.metrics)} metrics; {MAX_METRICS} are allowed", "measurement.metrics")
    if (longest := max(map(len, measurement.metrics))) > MAX_METRIC_NAME_LENGTH:
        problem = f"a name has {longest} characters; {MAX_METRIC_NAME_LENGTH} are allowed"
        raise InvalidArgument(problem, "measurement.metrics")
    if measurement.step < 0:
        raise InvalidArgument(f"{measurement.step} is below 0", "measurement.step_count")
    if measurement.elapsed_seconds < 0:
        raise InvalidArgument(f"{measurement.elapsed_seconds!r} is below 0", "measurement.elapsed_duration")


def keep_reports(
    transaction: Transaction, reports: Sequence[tuple[TrialName, Report]], models: CurveModels, now: float
) -> list[Trial] | DodonaError:
    """Keep the measurements of all reports and return the trial of each, or return why one is refused: then keep none.

    Args:
        transaction: to write in.
        reports: already checked with `check`.
        models: of curves, for stopping rules that predict.
        now: the time, in seconds since the epoch.

    Raises:
        NotFound: there is no such study or trial.
        Aborted: a report's attempt was lost, and the trial was reassigned.
    """
    known: dict[TrialName, Named] = {}
    steps: list[tuple[TrialName, Step, Report]] = []
    for name, report in reports:
        study_key, trial, stops_trials = known.get(name) or lock_named(transaction, name)
        check_attempt(trial, name, report.attempt)
        facts = Facts(now=now, actor=actor_of(trial, report.attempt), checkpoint=report.checkpoint)
        outcome = act(trial, Verb.MEASURE, facts, report.attempt)
        if isinstance(outcome, Refuse) and not _has(transaction, study_key, trial, report.measurement):
            return refusal_to(Verb.MEASURE, trial, name, outcome.reason, report.attempt)
        if isinstance(outcome, Step):
            steps.append((name, outcome, report))
            trial = outcome.trial
        known[name] = Named(study_key, trial, stops_trials)
    for name, step, report in steps:
        study_key, trial, stops_trials = known[name]
        measurements.measure(transaction, study_key, trial.number, trial.attempt, report.measurement)
        save(transaction, study_key, step)
        # Another execution or fold starts from the beginning: its curve would not continue that of the first one.
        if stops_trials and report.execution == 0:
            judged = judge(transaction, study_key, trial, report.measurement, models, now)
            known[name] = Named(study_key, judged, stops_trials)
    return [known[name].trial for name, _ in reports]


def _has(transaction: Transaction, study_key: int, trial: Trial, measurement: Measurement) -> bool:
    """Return whether the trial has exactly this measurement already."""
    return any(same(measurement, one) for one in measurements.measured(transaction, study_key, trial))
