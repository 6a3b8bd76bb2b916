"""Attempts at a trial: which one owns the trial, late reports of lost ones, and heartbeats."""

from __future__ import annotations

from dataclasses import dataclass

from dodona_server.domain.errors import Aborted, DodonaError, NotFound
from dodona_server.domain.event import Actor, ActorKind
from dodona_server.domain.names import TrialName
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.transitions import Facts, Step, transition
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.domain.trials.trial_states import Verb, refusal
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import trials


@dataclass(frozen=True, slots=True)
class Attempt:
    """Attempt at a trial that a caller runs.

    Args:
        number: counted from 1.
        client_id: the id that the caller got the trial with; empty if it does not say.
    """

    number: int
    client_id: str = ""

    def __str__(self) -> str:
        return str(self.number)

    def is_last_of(self, trial: Trial) -> bool:
        """Return whether no later attempt began; the client that lost the trial last still counts as its owner."""
        holder = trial.client_id or trial.lost_client_id
        return self.number == trial.attempt and (not self.client_id or holder in ("", self.client_id))


def check_attempt(trial: Trial, name: TrialName, attempt: Attempt | None) -> None:
    """Refuse a call for an attempt that was lost and followed by another.

    Raises:
        Aborted: the trial was reassigned.
    """
    if attempt is not None and not attempt.is_last_of(trial):
        holder = f" with {trial.client_id!r}" if trial.client_id else ""
        raise Aborted(f"attempt {attempt} of {name} was lost: the trial is in attempt {trial.attempt}{holder}")


def act(trial: Trial, verb: Verb, facts: Facts, attempt: Attempt | None) -> Step | Ignore | Refuse:
    """Return what `verb` makes of the trial that the worker of `attempt` has.

    A trial that this worker lost goes back to it, if it calls before another one got it.
    """
    back = reclaim(trial, facts, attempt)
    if back is None:
        return transition(trial, verb, facts)
    outcome = transition(back.trial, verb, facts)
    return back.then(outcome) if isinstance(outcome, Step) else outcome


def reclaim(trial: Trial, facts: Facts, attempt: Attempt | None) -> Step | None:
    """Return the step by which the trial goes back to the worker that lost it; None if there is none."""
    if attempt is None or not trial.lost_client_id:
        return None
    outcome = transition(trial, Verb.RECLAIM, facts)
    return outcome if isinstance(outcome, Step) else None


def actor_of(trial: Trial, attempt: Attempt | None) -> Actor:
    """Return the worker that calls: by the id that it names, or else that of the trial's client."""
    named = attempt.client_id if attempt is not None else ""
    return Actor(ActorKind.CLIENT, named or trial.client_id or trial.lost_client_id)


def refusal_to(verb: Verb, trial: Trial, name: TrialName, reason: str, attempt: Attempt | None) -> DodonaError:
    """Return the error for a verb that the state does not allow; Aborted if the caller's attempt is over."""
    refused = refusal(verb, trial.state, name, reason)
    was_taken_back = trial.state is TrialState.REQUESTED and trial.attempt > 0
    if attempt is None or (trial.end_time is None and not was_taken_back):
        return refused
    return Aborted(f"{refused.message}; attempt {attempt} is over")


def lock_trial(transaction: Transaction, name: TrialName) -> tuple[int, Trial]:
    """Lock the trial until the transaction ends, and return it with its study's key.

    Raises:
        NotFound: there is no such study or trial.
    """
    return lock_named(transaction, name)[:2]


def lock_named(transaction: Transaction, name: TrialName) -> trials.Named:
    """Lock the trial until the transaction ends, and return it with what a report needs of its study.

    Raises:
        NotFound: there is no such study or trial.
    """
    there = trials.find_named(transaction, name)
    if there is None:
        get_study(transaction, name.study)
        raise NotFound(f"{name} does not exist")
    return there


def lock_to_end(transaction: Transaction, name: TrialName) -> tuple[Study, Trial]:
    """Return the study, locked if the trial's end may end it, and the locked trial.

    Raises:
        NotFound: there is no such study or trial.
    """
    study = get_study(transaction, name.study)
    if study.spec.stopping.needs_progress or study.remaining_trials == 0:
        # The end of the trial may end the study. Lock it before the trial: in the other order two servers that end
        # trials at once would deadlock.
        study = get_study(transaction, name.study, lock=True)
    return study, require_trial(trials.find(transaction, study, name.number, lock=True), name)


def require_trial(trial: Trial | None, name: TrialName) -> Trial:
    """Return the trial.

    Raises:
        NotFound: it is None.
    """
    if trial is None:
        raise NotFound(f"{name} does not exist")
    return trial


def same(one: object, other: object) -> bool:
    """Return whether two values are equal, where NaN equals NaN: a repeated request must match the first one."""
    return repr(one) == repr(other)
