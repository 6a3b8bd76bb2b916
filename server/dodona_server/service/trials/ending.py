"""The end of a trial or of an attempt: completion, expiry of its lease, release by its worker."""

from __future__ import annotations

import dataclasses

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.reasons import shortened
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.trial import Measurement, Trial, TrialState, final_measurement, infeasibility
from dodona_server.service.budget import complete_if_over
from dodona_server.storage import events, leases, measurements, ranking, studies, trials
from dodona_server.storage.store import Transaction


def completed(transaction: Transaction, study: Study, trial: Trial, given: Measurement | None) -> Trial:
    """Return the trial with its final measurement: SUCCEEDED, or INFEASIBLE if that is not a valid result.

    Args:
        transaction: to read in.
        study: the trial's.
        trial: the one that ends.
        given: the final measurement; None to take one of those reported.

    Raises:
        FailedPrecondition: none was given, and none was reported.
    """
    chosen = given if given is not None and given.metrics else None
    measured = [] if chosen else measurements.measured(transaction, study.key, trial)
    final = final_measurement(study.spec, chosen, measured)
    reason = shortened(infeasibility(study.spec, final))
    state = TrialState.INFEASIBLE if reason else TrialState.SUCCEEDED
    return dataclasses.replace(trial, state=state, final_measurement=final, infeasible_reason=reason)


def infeasible(trial: Trial, reason: str) -> Trial:
    """Return the trial, INFEASIBLE for that reason; a long reason is cut."""
    return dataclasses.replace(trial, state=TrialState.INFEASIBLE, infeasible_reason=shortened(reason))


def end(transaction: Transaction, study: Study, ended: Trial, now: float) -> Trial:
    """Write the end of a locked trial, count it into the study's budget, and return the trial.

    Args:
        transaction: to write in.
        study: the trial's; locked, if `study.spec.stopping.needs_progress`.
        ended: the trial, SUCCEEDED or INFEASIBLE.
        now: the time, in seconds since the epoch.
    """
    ended = dataclasses.replace(ended, end_time=now, lease=None)
    trials.finish(transaction, study, ended)
    record_state(transaction, study.key, ended, now)
    count_ended(transaction, study, ended, now)
    return ended


def count_ended(transaction: Transaction, study: Study, ended: Trial, now: float) -> None:
    """Count a finished trial into the study's budget; see `end`."""
    if study.spec.stopping.needs_progress:
        progress = study.progress.after(study.spec, ranking.objective(study, ended), now)
        studies.set_progress(transaction, study, progress)
        complete_if_over(transaction, dataclasses.replace(study, progress=progress), now)
    elif study.remaining_trials == 0:
        locked = studies.find(transaction, study.name, lock=True)
        if locked is not None:
            complete_if_over(transaction, locked, now)


def expire(transaction: Transaction, study: Study, trial: Trial, now: float) -> Trial:
    """End the attempt of a lost worker and return the trial: queued again, or finished.

    It is finished if it was lost too often, if it was stopping, or if the study is completed and no worker will ask.
    """
    worker = trial.client_id or "its worker"
    lost = dataclasses.replace(trial, lost_attempts=trial.lost_attempts + 1, lost_client_id=trial.client_id)
    gone = Event(EventKind.TRIAL_LOST, now, trial.number, worker)
    events.append(transaction, study.key, [gone])
    if trial.state is TrialState.STOPPING:
        return end(transaction, study, _stopped(transaction, study, lost), now)
    if lost.lost_attempts >= study.spec.max_attempts:
        reason = f"its worker was lost in {lost.lost_attempts} attempts, all that maxAttempts allows; at last {worker}"
        return end(transaction, study, infeasible(lost, reason), now)
    if study.state is StudyState.COMPLETED:
        return end(transaction, study, infeasible(lost, f"{worker} was lost when the study was over"), now)
    return requeue(transaction, study, lost, now)


def release(transaction: Transaction, study: Study, trial: Trial, now: float) -> Trial:
    """Take a trial back from its worker and return it, queued or finished. The attempt does not count as lost."""
    if trial.state is TrialState.STOPPING:
        return end(transaction, study, _stopped(transaction, study, trial), now)
    if study.state is StudyState.COMPLETED:
        return end(transaction, study, infeasible(trial, "it was released when the study was over"), now)
    return requeue(transaction, study, trial, now)


def requeue(transaction: Transaction, study: Study, trial: Trial, now: float) -> Trial:
    """Queue the trial for the next worker that asks, and return it."""
    leases.requeue(transaction, study.key, trial)
    waiting = dataclasses.replace(trial, state=TrialState.REQUESTED, client_id="", start_time=None, lease=None)
    record_state(transaction, study.key, waiting, now)
    return waiting


def _stopped(transaction: Transaction, study: Study, trial: Trial) -> Trial:
    """Return a stopping trial that no worker runs any more, finished with its measurements."""
    if measurements.measured(transaction, study.key, trial):
        return completed(transaction, study, trial, None)
    return infeasible(trial, "it was stopped before it measured anything")


def record_state(transaction: Transaction, study_key: int, trial: Trial, now: float) -> None:
    """Append the event that the trial is in its present state."""
    event = Event(EventKind(f"TRIAL_{trial.state}"), now, trial.number, trial.infeasible_reason or trial.client_id)
    events.append(transaction, study_key, [event])
