"""End of a trial or of an attempt: completion, expiry of its lease, release by its worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from dodona_server.domain.errors import DodonaError, FailedPrecondition
from dodona_server.domain.event import Actor
from dodona_server.domain.names import TrialName
from dodona_server.domain.space import Value
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.studies.study import Study, StudyState
from dodona_server.domain.trials.continuation import TUNER_PREFIX
from dodona_server.domain.trials.transitions import (
    NO_MEASUREMENT,
    Effect,
    Facts,
    Step,
    allowed_step,
    transition,
    with_result,
)
from dodona_server.domain.trials.trial import FinalResult, Measurement, Trial, TrialState, final_result
from dodona_server.domain.trials.trial_states import Verb, why_refused
from dodona_server.service.budget import complete_if_over
from dodona_server.service.saving import save
from dodona_server.service.trials.attempts import Attempt, actor_of, check_attempt, reclaim, refusal_to, same
from dodona_server.service.trials.predicting import predicted, renew
from dodona_server.storage import workers
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import measurements, ranking, trials


@dataclass(frozen=True, slots=True)
class Ending:
    """A call that completes a trial, SUCCEED or FAIL.

    Args:
        verb: which of them.
        given: the trial's result or its final measurement; None to take one of those reported.
        attempt: the one the worker ran; None for the last one.
        used: the values that the trial actually used, which become its parameters; None to leave them.
        whole: whether the training had reached its end when it was asked to stop.
    """

    verb: Verb
    given: FinalResult | Measurement | None
    attempt: Attempt | None
    used: Mapping[str, object] | None
    whole: bool = False


def end(
    transaction: Transaction, study: Study, trial: Trial, name: TrialName, ending: Ending, now: float
) -> Step | Trial | DodonaError:
    """Return the step that ends a trial, the trial if the call repeats its end, or a refusal; nothing is saved.

    Args:
        transaction: to read in.
        study: the trial's.
        trial: as it is.
        name: the trial's.
        ending: the call.
        now: the time, in seconds since the epoch.

    Raises:
        Aborted: the attempt was lost, and the trial was reassigned.
        InvalidArgument: a value is not allowed for its parameter.
    """
    check_attempt(trial, name, ending.attempt)
    facts = Facts(now=now, actor=actor_of(trial, ending.attempt), whole=ending.whole)
    back = reclaim(trial, facts, ending.attempt)
    run = trial if back is None else back.trial
    if ending.used is not None:
        run = dataclasses.replace(run, parameters=_used(study, trial, ending.used))
    result = _result(transaction, study, run, ending.given)
    if refused := why_refused(run, ending.verb):
        if trial.end_time is not None and isinstance(result, FinalResult) and _repeats(run, result, trial):
            return trial
        return refusal_to(ending.verb, trial, name, refused, ending.attempt)
    if isinstance(result, DodonaError):
        return result
    if not ending.whole:
        result = _of_stopped(transaction, study, run, result)
    step = allowed_step(run, ending.verb, dataclasses.replace(facts, result=result))
    return step if back is None else back.then(step)


def _result(
    transaction: Transaction, study: Study, trial: Trial, given: FinalResult | Measurement | None
) -> FinalResult | DodonaError:
    """Return the result of a trial that ends, or why there is none: it was not given, and nothing was reported."""
    if isinstance(given, FinalResult):
        return given
    if given is not None and given.metrics:
        return final_result(study.spec, given, [])
    if trial.state is TrialState.SUCCEEDED:
        # A repeated call. The measurement it was completed with may have been thinned out since.
        return FinalResult(trial.final_measurement)
    try:
        return final_result(study.spec, None, measurements.measured(transaction, study.key, trial))
    except FailedPrecondition as refused:
        return refused


def _repeats(run: Trial, result: FinalResult, trial: Trial) -> bool:
    """Return whether the trial has ended with this result; a measurement that was predicted replaced any other."""
    if trial.final_measurement is not None and trial.final_measurement.predicted:
        return not result.infeasible_reason
    return same(with_result(run, result), trial)


def _of_stopped(transaction: Transaction, study: Study, trial: Trial, result: FinalResult) -> FinalResult:
    """Return the result of a trial that ends: what is predicted, if it is a stopped one of the convex rule."""
    if trial.state is not TrialState.STOPPING or result.final is None or result.infeasible_reason:
        return result
    return FinalResult(predicted(transaction, study, trial, result.final))


def _used(study: Study, trial: Trial, used: Mapping[str, object]) -> dict[str, Value]:
    """Return the parameters of a trial that used these values; its `tuner/` values stay."""
    values = study.spec.space.check_used(used)
    return values | {name: value for name, value in trial.parameters.items() if name.startswith(TUNER_PREFIX)}


def end_attempt(
    transaction: Transaction, study: Study, trial: Trial, verb: Verb, now: float, actor: Actor
) -> Step | Ignore | Refuse:
    """Return what becomes of a trial that its worker releases or has lost, queued or finished; nothing is saved.

    Args:
        transaction: to read in.
        study: the trial's.
        trial: the one whose attempt ends.
        verb: RELEASE or EXPIRE; the attempt counts as lost only if it expires.
        now: the time, in seconds since the epoch.
        actor: who ends it.
    """
    result = NO_MEASUREMENT
    if trial.state is TrialState.STOPPING and (known := measurements.measured(transaction, study.key, trial)):
        result = _of_stopped(transaction, study, trial, final_result(study.spec, None, known))
    facts = Facts(
        now=now,
        actor=actor,
        result=result,
        max_attempts=study.spec.max_attempts,
        study_is_over=study.state is StudyState.COMPLETED,
    )
    return transition(trial, verb, facts)


def expire(transaction: Transaction, study: Study, trial: Trial, now: float, actor: Actor) -> Trial:
    """End the attempt of a lost worker and return the trial: queued again, or finished.

    It is finished if it was lost too often, if it was stopping, or if the study is completed and no worker will ask.
    """
    outcome = end_attempt(transaction, study, trial, Verb.EXPIRE, now, actor)
    return apply(transaction, study, trial, outcome, now) if isinstance(outcome, Step) else trial


def apply(transaction: Transaction, study: Study, before: Trial, step: Step, now: float) -> Trial:
    """Save a step that ends an attempt at a locked trial, count it for its worker and the budget; return the trial.

    Args:
        transaction: to write in.
        study: the trial's; locked, if `study.spec.stopping.needs_progress`.
        before: the trial as it was.
        step: from a transition of the trial.
        now: the time, in seconds since the epoch.
    """
    if Effect.END in step.effects:
        trials.finish(transaction, study, step.trial)
    save(transaction, study.key, step)
    if before.client_id and before.start_time is not None:
        workers.count(transaction, study.key, before.client_id, step.trial.state, now - before.start_time)
    if Effect.END in step.effects:
        renew(transaction, study)
        count_ended(transaction, study, step.trial, now)
    return step.trial


def count_ended(transaction: Transaction, study: Study, ended: Trial, now: float) -> None:
    """Count a finished trial into the study's budget; see `apply`."""
    if study.spec.stopping.needs_progress:
        value = ranking.objective(study, ended)
        progress = study.progress.after(value, now, study.spec.objective.is_better, stopped=ended.stopped)
        studies.set_progress(transaction, study, progress)
        complete_if_over(transaction, dataclasses.replace(study, progress=progress), now)
    elif study.remaining_trials == 0:
        locked = studies.find(transaction, study.name, lock=True)
        if locked is not None:
            complete_if_over(transaction, locked, now)
