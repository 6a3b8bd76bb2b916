"""Whose trial it is: attempts that were lost, come back late, or give a sign of life."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from dodona_server.domain.errors import Aborted, DodonaError, FailedPrecondition, NotFound
from dodona_server.domain.lifecycle import Verb, refusal
from dodona_server.domain.names import TrialName
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.service.studies.lookup import found
from dodona_server.service.trials.ending import happened
from dodona_server.storage import leases, trials
from dodona_server.storage.store import Transaction

# A report extends a lease once that part of it has gone by.
LEASE_PART_LEFT_ALONE = 0.2


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which attempt at a trial the caller of a call runs.

    Args:
        number: counted from 1 on.
        client_id: the id under which the caller was given it; empty if it does not say.
    """

    number: int
    client_id: str = ""

    def __str__(self) -> str:
        return str(self.number)

    def is_last_of(self, trial: Trial) -> bool:
        """Whether nobody was handed the trial since; whoever lost it last counts as its holder."""
        holder = trial.client_id or trial.lost_client_id
        return self.number == trial.attempt and (not self.client_id or holder in ("", self.client_id))


def check_attempt(trial: Trial, name: TrialName, attempt: Attempt | None) -> None:
    """Refuses who speaks of an attempt that was lost, and is not the last one.

    Raises:
        Aborted: the trial was handed on.
    """
    if attempt is not None and not attempt.is_last_of(trial):
        holder = f" with {trial.client_id!r}" if trial.client_id else ""
        raise Aborted(f"attempt {attempt} of {name} was lost: the trial is in attempt {trial.attempt}{holder}")


def reclaimed(transaction: Transaction, study_key: int, trial: Trial, attempt: Attempt | None, now: float) -> Trial:
    """The trial; back with the worker that was thought lost, if that one names its attempt and nobody else has it."""
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
    happened(transaction, study_key, back, now)
    return back


def alive(
    transaction: Transaction, study_key: int, trial: Trial, checkpoint: str, *, in_any_case: bool = False
) -> Trial:
    """The trial after a sign of life. A lease that has hardly begun is left alone: every write costs."""
    lease = trial.lease
    if lease is not None and (in_any_case or lease.left < lease.seconds * (1 - LEASE_PART_LEFT_ALONE)):
        leases.extend_lease(transaction, study_key, trial)
        trial = dataclasses.replace(trial, lease=lease.renewed())
    if checkpoint and checkpoint != trial.checkpoint:
        trials.set_checkpoint(transaction, study_key, trial.number, checkpoint)
        trial = dataclasses.replace(trial, checkpoint=checkpoint)
    return trial


def refusal_to(verb: Verb, trial: Trial, name: TrialName, reason: str, attempt: Attempt | None) -> DodonaError:
    """The error for a verb that the state does not allow; who names its attempt had the trial, and has lost it."""
    refused = refusal(verb, trial.state, name, reason)
    if attempt is None or trial.end_time is None:
        return refused
    return Aborted(f"{refused.message}; attempt {attempt} is over")


def named(transaction: Transaction, name: TrialName) -> tuple[int, Trial]:
    """The study's key and the trial of that name, held until the transaction ends.

    Raises:
        NotFound: there is no such study or trial.
    """
    there = trials.find_named(transaction, name)
    if there is None:
        found(transaction, name.study)
        raise NotFound(f"{name} does not exist")
    return there


def attempted(transaction: Transaction, name: TrialName, attempt: Attempt | None, now: float) -> tuple[int, Trial]:
    """Lock the trial and return it with its study's key, for a call from the worker of that attempt.

    Raises:
        NotFound: there is no such study or trial.
        Aborted: the attempt was lost, and the trial was reassigned.
    """
    study_key, trial = named(transaction, name)
    check_attempt(trial, name, attempt)
    return study_key, reclaimed(transaction, study_key, trial, attempt, now)


def existing(trial: Trial | None, name: TrialName) -> Trial:
    """The trial, if there is one.

    Raises:
        NotFound: there is none.
    """
    if trial is None:
        raise NotFound(f"{name} does not exist")
    return trial


def repeats(judge: Callable[[], Trial], trial: Trial) -> bool:
    """Whether a finished trial would be judged as it was."""
    try:
        return same(judge(), trial)
    except FailedPrecondition:
        return False


def same(one: object, other: object) -> bool:
    """Whether two values are equal, where NaN equals NaN: a repeated request must find itself."""
    return repr(one) == repr(other)
