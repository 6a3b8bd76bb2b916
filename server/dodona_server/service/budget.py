"""The end of a study whose budget is used up."""

from __future__ import annotations

import dataclasses

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.study import Study, StudyState
from dodona_server.storage import events, studies, trials
from dodona_server.storage.store import Transaction


def complete_if_over(transaction: Transaction, study: Study, now: float) -> Study:
    """Complete the study if its last trial is finished or another limit of its budget is reached; return the study.

    Args:
        transaction: that has locked the study: if two last trials end at once, the later one sees both.
        study: as it is now.
        now: the time, in seconds since the epoch.
    """
    if study.state is not StudyState.ACTIVE:
        return study
    reason = study.spec.stopping.reached(study.progress, study.create_time, now)
    if reason and study.spec.stopping.should_stop_asap:
        _stop_running(transaction, study, now)
    if not reason and study.remaining_trials == 0 and not trials.any_unfinished(transaction, study):
        reason = "the budget is used up"
    return complete_study(transaction, study, reason, now) if reason else study


def complete_study(transaction: Transaction, study: Study, reason: str, now: float) -> Study:
    """Complete a locked study for that reason, and return it."""
    studies.set_state(transaction, study, StudyState.COMPLETED, reason)
    events.append(transaction, study.key, [Event(EventKind.STUDY_COMPLETED, now, detail=reason)])
    return dataclasses.replace(study, state=StudyState.COMPLETED, inactive_reason=reason)


def _stop_running(transaction: Transaction, study: Study, now: float) -> None:
    stopped = trials.stop_running(transaction, study)
    events.append(
        transaction,
        study.key,
        [Event(EventKind.TRIAL_STOPPING, now, number, "the study is over") for number in stopped],
    )
