"""How a trial ends: by its result, or because its worker was lost too often."""

from __future__ import annotations

import dataclasses

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.reasons import shortened
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.trial import Measurement, Trial, TrialState, final_measurement, infeasibility
from dodona_server.service.budget import settle
from dodona_server.storage import events, leases, measurements, ranking, studies, trials
from dodona_server.storage.store import Transaction


def judged(transaction: Transaction, study: Study, trial: Trial, given: Measurement | None) -> Trial:
    """The trial as its final measurement makes it: SUCCEEDED, or INFEASIBLE if that cannot stand as a result.

    Args:
        transaction: to read in.
        study: the trial's.
        trial: which ends.
        given: the final measurement; None to take one of those measured.

    Raises:
        FailedPrecondition: none was given, and none is there.
    """
    chosen = given if given is not None and given.metrics else None
    measured = [] if chosen else measurements.measured(transaction, study.key, trial)
    final = final_measurement(study.spec, chosen, measured)
    reason = shortened(infeasibility(study.spec, final))
    state = TrialState.INFEASIBLE if reason else TrialState.SUCCEEDED
    return dataclasses.replace(trial, state=state, final_measurement=final, infeasible_reason=reason)


def infeasible(trial: Trial, reason: str) -> Trial:
    """The trial, INFEASIBLE for that reason, which is cut if it is long."""
    return dataclasses.replace(trial, state=TrialState.INFEASIBLE, infeasible_reason=shortened(reason))


def end(transaction: Transaction, study: Study, ended: Trial, now: float) -> Trial:
    """Keeps the end of a trial that is held, and what it means to the study's budget.

    Args:
        transaction: to write in.
        study: the trial's; held, if `study.spec.stopping.needs_progress`.
        ended: the trial, SUCCEEDED or INFEASIBLE.
        now: the time, in seconds since the epoch.
    """
    ended = dataclasses.replace(ended, end_time=now, lease=None)
    trials.finish(transaction, study, ended)
    happened(transaction, study.key, ended, now)
    count(transaction, study, ended, now)
    return ended


def count(transaction: Transaction, study: Study, ended: Trial, now: float) -> None:
    """Counts a trial that has ended into the study's budget; see `end`."""
    if study.spec.stopping.needs_progress:
        progress = study.progress.after(study.spec, ranking.objective(study, ended), now)
        studies.set_progress(transaction, study, progress)
        settle(transaction, dataclasses.replace(study, progress=progress), now)
    elif study.remaining_trials == 0:
        held = studies.find(transaction, study.name, lock=True)
        if held is not None:
            settle(transaction, held, now)


def lose(transaction: Transaction, study: Study, trial: Trial, now: float) -> Trial:
    """What becomes of a trial whose worker was lost: it is queued again, or ends.

    It ends if it was lost too often, if it was to be stopped, or if the study is over and nobody will ask for it.
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
    """What becomes of a trial that its worker hands back: the attempt counts as none that was lost."""
    if trial.state is TrialState.STOPPING:
        return end(transaction, study, _stopped(transaction, study, trial), now)
    if study.state is StudyState.COMPLETED:
        return end(transaction, study, infeasible(trial, "it was handed back when the study was over"), now)
    return requeue(transaction, study, trial, now)


def requeue(transaction: Transaction, study: Study, trial: Trial, now: float) -> Trial:
    """The trial, waiting to be handed out again."""
    leases.requeue(transaction, study.key, trial)
    waiting = dataclasses.replace(trial, state=TrialState.REQUESTED, client_id="", start_time=None, lease=None)
    happened(transaction, study.key, waiting, now)
    return waiting


def _stopped(transaction: Transaction, study: Study, trial: Trial) -> Trial:
    """A trial that was to be stopped and that nobody runs any more, as its measurements make it."""
    if measurements.measured(transaction, study.key, trial):
        return judged(transaction, study, trial, None)
    return infeasible(trial, "it was stopped before it measured anything")


def happened(transaction: Transaction, study_key: int, trial: Trial, now: float) -> None:
    """Keeps the event that the trial is in the state it has."""
    event = Event(EventKind(f"TRIAL_{trial.state}"), now, trial.number, trial.infeasible_reason or trial.client_id)
    events.append(transaction, study_key, [event])
