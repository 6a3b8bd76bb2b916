"""A trial that this process runs, as the threads share it: the worker's own, and the heartbeat."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from dodona._errors import Aborted, ApiError
from dodona._record import Verdict, number_of, state_of
from dodona_schemas import vertex

logger = logging.getLogger("dodona")

UNFINISHED = {"ACTIVE", "STOPPING"}

# An answer that was overtaken by a later one must not take a trial back: states only go forward.
_ORDER = {"REQUESTED": 0, "ACTIVE": 1, "STOPPING": 2, "SUCCEEDED": 3, "INFEASIBLE": 3}


@dataclass
class Hand:
    """The unfinished trials that one worker of this process has in hand in one study, by number.

    The server is told which ones when the worker asks for another: those that it has besides are lost.

    `lock` is held while a trial is asked for, until it is in hand: another thread's call would count it as lost.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    runs: dict[int, Run] = field(default_factory=dict)


class Run:
    """An attempt at a trial, from the server's words on.

    Args:
        study_path: the study's, below the location.
        wire: the trial as it was handed out.
        hand: where it stays until it is finished, released or lost.

    Attributes:
        number: the trial's.
        attempt: how often it was handed out, this time included.
        client_id: to whom, as the server has it.
        path: the trial's, below the location.
        state: as of the server's last answer.
        lost: what to raise at the next call, once somebody else has the trial or nobody can have it any more.
        signed: when the server last heard of the trial, by `time.monotonic`.
        held: how many reports wait for the server; the outbox keeps the count.

    """

    def __init__(self, study_path: str, wire: vertex.Trial, hand: Hand) -> None:
        self.number = number_of(wire)
        self.attempt = wire.attempt or 1
        self.client_id = wire.client_id
        self.study_path = study_path
        self.path = f"{study_path}/trials/{self.number}"
        self.state = state_of(wire)
        self.lost: Aborted | None = None
        self.signed = time.monotonic()
        self.held = 0
        self._hand = hand
        self._lock = threading.Lock()
        self._refusals: list[ApiError] = []

    @property
    def in_hand(self) -> bool:
        """Whether this process runs it."""
        return self._hand.runs.get(self.number) is self

    def let_go(self) -> None:
        """Takes it out of the hand, unless the trial is back there as another attempt."""
        if self.in_hand:
            del self._hand.runs[self.number]

    def learn(self, wire: vertex.Trial | Verdict) -> None:
        """Takes over the server's answer to a sign of life."""
        self.signed = time.monotonic()
        state = state_of(wire)
        with self._lock:
            if _ORDER.get(state, 0) > _ORDER.get(self.state, 0):
                self.state = state

    def lose(self, error: ApiError, *, aside: bool = False) -> Aborted:
        """Takes note that the trial is no longer this worker's.

        Args:
            error: the server's words.
            aside: whether the worker does not learn of it by an exception now, so that it is logged.

        Returns:
            What every further call about the trial raises.

        """
        with self._lock:
            first = self.lost is None
            self.lost = self.lost or Aborted(409, "ABORTED", error.message)
        self.let_go()
        if first and aside:
            logger.warning("trial %d is no longer this worker's: %s", self.number, error)
        return self.lost

    def refuse(self, error: ApiError) -> None:
        """Takes note that the server did not take a report that was held."""
        logger.warning("a report of trial %d was refused: %s", self.number, error)
        with self._lock:
            self._refusals.append(error)

    def refusal(self) -> ApiError | None:
        """What the server said of held reports that it did not take, once; further ones were logged."""
        with self._lock:
            first = next(iter(self._refusals), None)
            self._refusals.clear()
        return first

    def check(self) -> None:
        """Raises what became known behind the worker's back.

        Raises:
            Aborted: the trial is no longer this worker's.
            ApiError: the server did not take a report that was held.
        """
        if self.lost is not None:
            raise self.lost
        if self._refusals and (refused := self.refusal()) is not None:
            raise refused

    def after_fork(self) -> None:
        """Makes the run usable in the child: a lock may be held by a thread that is not there."""
        self._lock = threading.Lock()
