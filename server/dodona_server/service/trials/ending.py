"""The end of a trial or of an attempt: completion, expiry of its lease, release by its worker."""

from __future__ import annotations

import dataclasses

from dodona_server.domain.event import Actor
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.transitions import NO_MEASUREMENT, Effect, Facts, Ignore, Refuse, Step, Verb, transition
from dodona_server.domain.trial import FinalResult, Measurement, Trial, TrialState, final_result
from dodona_server.service.budget import complete_if_over
from dodona_server.service.saving import save
from dodona_server.storage import measurements, ranking, studies, trials
from dodona_server.storage.store import Transaction


def completed(transaction: Transaction, study: Study, trial: Trial, given: Measurement | None) -> FinalResult:
    """Return the result of a completed trial.

    Args:
        transaction: to read in.
        study: the trial's.
        trial: the one that ends.
        given: the final measurement; None to take one of those reported.

    Raises:
        FailedPrecondition: none was given, and none was reported.
    """
    chosen = given if given is not None and given.metrics else None
    return final_result(study.spec, chosen, [] if chosen else measurements.measured(transaction, study.key, trial))


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
        result = final_result(study.spec, None, known)
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
    return apply(transaction, study, outcome, now) if isinstance(outcome, Step) else trial


def apply(transaction: Transaction, study: Study, step: Step, now: float) -> Trial:
    """Save a step of a locked trial, count its end into the study's budget, and return the trial.

    Args:
        transaction: to write in.
        study: the trial's; locked, if `study.spec.stopping.needs_progress`.
        step: from a transition of the trial.
        now: the time, in seconds since the epoch.
    """
    if Effect.END in step.effects:
        trials.finish(transaction, study, step.trial)
    save(transaction, study.key, step)
    if Effect.END in step.effects:
        count_ended(transaction, study, step.trial, now)
    return step.trial


def count_ended(transaction: Transaction, study: Study, ended: Trial, now: float) -> None:
    """Count a finished trial into the study's budget; see `apply`."""
    if study.spec.stopping.needs_progress:
        progress = study.progress.after(study.spec, ranking.objective(study, ended), now)
        studies.set_progress(transaction, study, progress)
        complete_if_over(transaction, dataclasses.replace(study, progress=progress), now)
    elif study.remaining_trials == 0:
        locked = studies.find(transaction, study.name, lock=True)
        if locked is not None:
            complete_if_over(transaction, locked, now)
