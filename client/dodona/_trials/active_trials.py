"""A trial that this process runs, as its threads share it: the worker's own, and the heartbeat."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from dodona._errors import Aborted, ApiError
from dodona._trials.record import Verdict, number_of, state_of, stopping_reason_of
from dodona_schemas import vertex

logger = logging.getLogger("dodona")

UNFINISHED = {"ACTIVE", "STOPPING"}

# A late answer must not overwrite a newer one: states only go forward.
_ORDER = {"REQUESTED": 0, "ACTIVE": 1, "STOPPING": 2, "SUCCEEDED": 3, "INFEASIBLE": 3}


@dataclass
class ActiveTrials:
    """Active trials of one worker of this process in one study, by number.

    The worker sends their numbers when it asks for another trial: the server takes its other active trials for lost.

    `lock` is locked from the request until the new trial is here: another thread's request would count it as lost.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    trials: dict[int, ActiveTrial] = field(default_factory=dict)


class ActiveTrial:
    """An attempt at a trial that this process runs.

    Args:
        study_path: the study's path, below the location.
        wire: the trial as it was handed out.
        active_trials: the worker's active trials, of which this is one until it is finished, released or lost.

    Attributes:
        number: the trial's number.
        attempt: how often it was handed out, this time included.
        client_id: the worker that the server handed it to.
        path: the trial's path, below the location.
        state: the state in the server's last answer.
        stopping_reason: why a stopping rule stopped the trial, by the server's answers; None if none did.
        lost: the error for the next call, once the trial is no longer this worker's.
        last_contact: when the server last heard of the trial, by `time.monotonic`.
        buffered: how many of its reports are buffered; the outbox keeps the count.

    """

    def __init__(self, study_path: str, wire: vertex.Trial, active_trials: ActiveTrials) -> None:
        self.number = number_of(wire)
        self.attempt = wire.attempt or 1
        self.client_id = wire.client_id
        self.study_path = study_path
        self.path = f"{study_path}/trials/{self.number}"
        self.state = state_of(wire)
        self.stopping_reason = stopping_reason_of(wire)
        self.lost: Aborted | None = None
        self.last_contact = time.monotonic()
        self.buffered = 0
        self._active_trials = active_trials
        self._lock = threading.Lock()
        self._refusals: list[ApiError] = []

    @property
    def is_active(self) -> bool:
        """Whether this process runs the trial."""
        return self._active_trials.trials.get(self.number) is self

    def deactivate(self) -> None:
        """Remove the trial from the active ones, unless a newer attempt has taken its place."""
        if self.is_active:
            del self._active_trials.trials[self.number]

    def update(self, wire: vertex.Trial | Verdict) -> None:
        """Apply the server's answer to a heartbeat or a report."""
        self.last_contact = time.monotonic()
        state = state_of(wire)
        with self._lock:
            self.stopping_reason = stopping_reason_of(wire) or self.stopping_reason
            if _ORDER.get(state, 0) > _ORDER.get(self.state, 0):
                self.state = state

    def mark_lost(self, error: ApiError, *, in_background: bool = False) -> Aborted:
        """Record that the trial is no longer this worker's.

        Args:
            error: the server's error.
            in_background: whether no caller gets an exception now, so that a warning is logged instead.

        Returns:
            The error that every further call for the trial raises.

        """
        with self._lock:
            first = self.lost is None
            self.lost = self.lost or Aborted(409, "ABORTED", error.message)
        self.deactivate()
        if first and in_background:
            logger.warning("trial %d is no longer this worker's: %s", self.number, error)
        return self.lost

    def add_refusal(self, error: ApiError) -> None:
        """Record that the server refused a buffered report."""
        logger.warning("a report of trial %d was refused: %s", self.number, error)
        with self._lock:
            self._refusals.append(error)

    def pop_refusal(self) -> ApiError | None:
        """Return the first refusal of a buffered report, once; further ones were only logged."""
        with self._lock:
            first = next(iter(self._refusals), None)
            self._refusals.clear()
        return first

    def check(self) -> None:
        """Raise an error that a background thread has found.

        Raises:
            Aborted: the trial is no longer this worker's.
            ApiError: the server refused a buffered report.
        """
        if self.lost is not None:
            raise self.lost
        if self._refusals and (refused := self.pop_refusal()) is not None:
            raise refused

    def after_fork(self) -> None:
        """Make the trial usable in the child: a thread that does not exist there may hold the lock."""
        self._lock = threading.Lock()
