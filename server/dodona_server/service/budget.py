"""End of a study whose budget is used up."""

from __future__ import annotations

from dodona_server.domain.event import SERVER, Event, EventKind
from dodona_server.domain.studies.budget import Usage
from dodona_server.domain.studies.study import Study, StudyState
from dodona_server.domain.trials.transitions import Facts, Step, transition
from dodona_server.domain.trials.trial import TrialState
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.service.saving import save
from dodona_server.service.usage import usage_of
from dodona_server.storage import events
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import trials


def complete_if_over(transaction: Transaction, study: Study, now: float) -> Study:
    """Complete the study if its last trial is finished or another limit of its budget is reached; return the study.

    Args:
        transaction: that has locked the study: if two last trials end at once, the later one sees both.
        study: as it is now.
        now: the time, in seconds since the epoch.
    """
    if study.state is not StudyState.ACTIVE:
        return study
    reason = limit_reached(transaction, study, now)
    if reason and study.spec.stopping.should_stop_asap:
        _stop_running(transaction, study, now)
    if not reason and study.remaining_trials == 0 and not trials.any_unfinished(transaction, study):
        reason = "the budget is used up"
    return complete_study(transaction, study, reason, now) if reason else study


def limit_reached(transaction: Transaction, study: Study, now: float) -> str:
    """Return which limit of the budget other than the number of trials is reached, as text; empty for none."""
    stopping = study.spec.stopping
    usage = usage_of(transaction, study, now) if stopping.needs_usage else Usage()
    return stopping.reached(study.progress, study.create_time, now, usage)


def why_over(transaction: Transaction, study: Study, now: float) -> str:
    """Return why the study has nothing left to do; empty if it has."""
    reason = limit_reached(transaction, study, now)
    if reason or study.remaining_trials != 0:
        return reason
    queued = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", 1)
    return "" if queued else "its budget is used up"


def complete_study(transaction: Transaction, study: Study, reason: str, now: float) -> Study:
    """Complete a locked study for that reason, and return it."""
    studies.set_state(transaction, study, StudyState.COMPLETED, reason)
    events.append(transaction, study.key, [Event(EventKind.STUDY_COMPLETED, now, detail=reason, actor=SERVER)])
    return study.in_state(StudyState.COMPLETED, reason)


def _stop_running(transaction: Transaction, study: Study, now: float) -> None:
    facts = Facts(now=now, actor=SERVER, reason="the study is over")
    for trial in trials.running(transaction, study):
        step = transition(trial, Verb.STOP, facts)
        if isinstance(step, Step):
            save(transaction, study.key, step)
