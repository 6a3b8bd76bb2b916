"""Attempts at a trial: which one owns the trial, late reports of lost ones, and heartbeats."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from dodona_server.domain.errors import Aborted, DodonaError, FailedPrecondition, NotFound
from dodona_server.domain.lifecycle import Verb, refusal
from dodona_server.domain.names import TrialName
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.ending import record_state
from dodona_server.storage import leases, trials
from dodona_server.storage.store import Transaction

# A report extends a lease only after this part of it has passed.
LEASE_PART_LEFT_ALONE = 0.2


@dataclass(frozen=True, slots=True)
class Attempt:
    """The attempt at a trial that a caller runs.

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


def reclaim(transaction: Transaction, study_key: int, trial: Trial, attempt: Attempt | None, now: float) -> Trial:
    """Return the trial; give it back to the worker that lost it, if that worker calls before another one got it."""
    if attempt is None or not trial.lost_client_id or trial.state is not TrialState.REQUESTED:
        return trial
    leases.reclaim(transaction, study_key, trial, now)
    back = dataclasses.replace(
        trial,
        state=TrialState.ACTIVE,
        client_id=trial.lost_client_id,
        start_time=now,
        lost_attempts=trial.lost_attempts - 1,
        lost_client_id="",
    )
    record_state(transaction, study_key, back, now)
    return back


def renew_lease(
    transaction: Transaction, study_key: int, trial: Trial, checkpoint: str, *, in_any_case: bool = False
) -> Trial:
    """Return the trial after a heartbeat. A lease renewed just before is not written again: every write costs."""
    lease = trial.lease
    if lease is not None and (in_any_case or lease.left < lease.seconds * (1 - LEASE_PART_LEFT_ALONE)):
        leases.extend_lease(transaction, study_key, trial)
        trial = dataclasses.replace(trial, lease=lease.renewed())
    if checkpoint and checkpoint != trial.checkpoint:
        trials.set_checkpoint(transaction, study_key, trial.number, checkpoint)
        trial = dataclasses.replace(trial, checkpoint=checkpoint)
    return trial


def refusal_to(verb: Verb, trial: Trial, name: TrialName, reason: str, attempt: Attempt | None) -> DodonaError:
    """Return the error for a verb that the state does not allow; Aborted if the caller's attempt is over."""
    refused = refusal(verb, trial.state, name, reason)
    if attempt is None or trial.end_time is None:
        return refused
    return Aborted(f"{refused.message}; attempt {attempt} is over")


def lock_trial(transaction: Transaction, name: TrialName) -> tuple[int, Trial]:
    """Lock the trial until the transaction ends, and return it with its study's key.

    Raises:
        NotFound: there is no such study or trial.
    """
    there = trials.find_named(transaction, name)
    if there is None:
        get_study(transaction, name.study)
        raise NotFound(f"{name} does not exist")
    return there


def lock_attempted(transaction: Transaction, name: TrialName, attempt: Attempt | None, now: float) -> tuple[int, Trial]:
    """Lock the trial and return it with its study's key, for a call from the worker of that attempt.

    Raises:
        NotFound: there is no such study or trial.
        Aborted: the attempt was lost, and the trial was reassigned.
    """
    study_key, trial = lock_trial(transaction, name)
    check_attempt(trial, name, attempt)
    return study_key, reclaim(transaction, study_key, trial, attempt, now)


def require_trial(trial: Trial | None, name: TrialName) -> Trial:
    """Return the trial.

    Raises:
        NotFound: it is None.
    """
    if trial is None:
        raise NotFound(f"{name} does not exist")
    return trial


def repeats(finish: Callable[[], Trial], trial: Trial) -> bool:
    """Return whether `finish` gives the result that a finished trial already has."""
    try:
        return same(finish(), trial)
    except FailedPrecondition:
        return False


def same(one: object, other: object) -> bool:
    """Return whether two values are equal, where NaN equals NaN: a repeated request must match the first one."""
    return repr(one) == repr(other)
