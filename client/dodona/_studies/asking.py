"""Request of a worker for its next trial."""

from __future__ import annotations

import logging
import math
import platform
import socket
import time
import uuid
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from dodona._addressed import Addressed
from dodona._errors import Aborted, FailedPrecondition, StudyCompleted, WorkerStopped
from dodona._http.traces import new_trace
from dodona._http.transport import BASIC_VIEW
from dodona._space import Value
from dodona._text import checked
from dodona._trials.active_trials import UNFINISHED, ActiveTrial, ActiveTrials
from dodona._trials.hardware import gpus
from dodona._trials.record import number_of, state_of
from dodona._trials.session import Session
from dodona._trials.trial import Trial
from dodona._values import MAX_INT32, whole
from dodona._version import __version__
from dodona_schemas import vertex
from dodona_schemas.vertex import StudyState

logger = logging.getLogger("dodona")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0
# How long the server may wait for a trial before it answers; it answers as soon as there is one.
LONG_POLL_SECONDS = 20.0
# A worker that has waited this long for a trial logs it.
NOTICE_AFTER_SECONDS = 5.0
WAITING = "the study %r has no trial for the worker %r now: waiting until a trial of another worker ends"

# What the server's page of workers shows of this one.
AGENT = f"dodona/{__version__} python/{platform.python_version()} {socket.gethostname()}"[:256]


class Asking(Addressed):
    """Call that asks for a trial."""

    _session: Session
    # The last attempt that this process has run for each shared worker: the trial's number and the attempt's.
    _followed: dict[str, tuple[int, int]]

    @property
    @abstractmethod
    def url(self) -> str:
        """Address of the study's page."""

    @property
    @abstractmethod
    def display_name(self) -> str:
        """Display name of the study."""

    @property
    @abstractmethod
    def metrics(self) -> dict[str, Literal["minimize", "maximize"]]:
        """Goal of each metric, the objective first."""

    @abstractmethod
    def _decoded(self, wires: Sequence[vertex.Trial]) -> list[dict[str, Value]]:
        """Return the values of each trial in Python's types."""

    def ask(self, worker: str | None = None, *, shared: bool = False, wait_seconds: float | None = None) -> Trial:
        """Return the next trial to run; wait if there is none now but may be one later.

        A worker that waits logs it. If a worker dies, the next one that asks gets its trial: with the same
        parameters, `attempt` one higher, and the last `last_step` and `checkpoint`. One process may ask for a second
        trial before it finishes the first; it gets another one.

        Args:
            worker: the worker id; None for the client's.
            shared: whether another process runs as this worker too and renews the lease, such as the first process of a
                distributed training; this process then follows it from trial to trial.
            wait_seconds: how long to wait at most; None for no limit.

        Raises:
            StudyCompleted: no trial is left to hand out; WorkerStopped: somebody asked this worker to stop.
            TimeoutError: there was no trial within `wait_seconds`, but there may be one later.
            FailedPrecondition: the study is paused; the message says why.
            RuntimeError: this process was forked from the process that is this worker.
        """
        return self._next(1, worker, shared, wait_seconds)[0]

    def ask_batch(self, count: int, worker: str | None = None, *, wait_seconds: float | None = None) -> list[Trial]:
        """Return the next trials to run at once; wait while there is none.

        One call asks for all of them, and the algorithm chooses them together: it spreads them where it would repeat
        the same point. There may be fewer, such as at the end of the budget. Each has a lease of its own.

        Args:
            count: how many, at least 1.
            worker: the worker id; None for the client's.
            wait_seconds: how long to wait for the first at most; None for no limit.

        Raises:
            ValueError: `count` is not a positive integer.
            DodonaError: see `ask`.
        """
        return self._next(whole(count, "count", 1, MAX_INT32), worker, False, wait_seconds)

    def attach(self, number: int) -> Trial:
        """Return a running trial, to report and end it from another process than the one that asked for it.

        No thread renews its lease here: each report does.

        Raises:
            FailedPrecondition: the trial is not running.
            NotFound: there is none.
        """
        wire = self._transport.call("GET", f"{self._path}/trials/{number}", None, vertex.Trial)
        if state_of(wire) not in UNFINISHED:
            words = f"trial {number} of {self.display_name!r} is {state_of(wire)}, so nothing can be reported for it"
            raise FailedPrecondition(400, "FAILED_PRECONDITION", words)
        (parameters,) = self._decoded([wire])
        active = ActiveTrial(self._path, wire, ActiveTrials())
        age = 0.0 if wire.start_time is None else (datetime.now(UTC) - wire.start_time).total_seconds()
        return Trial(self._session, active, wire, parameters, list(self.metrics), max(0.0, age))

    def _next(self, count: int, worker: str | None, shared: bool, wait_seconds: float | None) -> list[Trial]:
        worker = checked(worker or self._session.worker, "worker")
        # A shared worker's trials are active in the other process, not here.
        active_trials = ActiveTrials() if shared else self._session.active_trials(self.name, worker)
        # The first call does not wait: the server then answers at once that a study is paused.
        wait, pause = 0.0, FIRST_PAUSE_SECONDS
        began, warned = time.monotonic(), False
        while True:
            asked = time.monotonic()
            with active_trials.lock:
                trials = self._next_trials(count, worker, active_trials, wait, shared)
            if trials:
                return trials
            left = math.inf if wait_seconds is None else began + wait_seconds - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"the study {self.display_name!r} had no trial for {wait_seconds} s; ask again later"
                )
            if wait and time.monotonic() - asked < wait / 2:
                # A server that is about to stop, or a proxy, does not let clients wait.
                time.sleep(min(pause, left))
                pause = min(LONGEST_PAUSE_SECONDS, pause * 1.5)
            if not warned and time.monotonic() - began >= NOTICE_AFTER_SECONDS:
                warned = True
                logger.warning(WAITING, self.display_name, worker)
            longest = LONG_POLL_SECONDS if warned else NOTICE_AFTER_SECONDS
            wait = min(longest, self._transport.timeout * 2 / 3, left)

    def _next_trials(
        self, count: int, worker: str, active_trials: ActiveTrials, wait: float, shared: bool
    ) -> list[Trial]:
        """Return new active trials; none if the server has none now. The caller holds the lock of `active_trials`."""
        request = vertex.SuggestTrialsRequest(
            suggestion_count=count,
            client_id=worker,
            request_id=uuid.uuid4().hex,
            wait=wait or None,
            lease_duration=None if shared else self._session.lease_seconds,
            agent=AGENT,
            gpus=gpus() or None,
            follow=shared or None,
            held_trials=None if shared else [str(number) for number in active_trials.trials.copy()],
        )
        path, trace = f"{self._path}/trials:suggest?{BASIC_VIEW}", new_trace()
        operation = self._transport.call("POST", path, request, vertex.Operation, trace=trace)
        answer = operation.response or vertex.SuggestTrialsResponse()
        found = []
        for wire in answer.trials:
            if shared:
                attempt = number_of(wire), wire.attempt or 1
                if self._followed.get(worker) == attempt:
                    continue
                self._followed[worker] = attempt
            before = active_trials.trials.get(number_of(wire))
            if before is None or before.attempt < (wire.attempt or 1):
                self._transport.traces.keep(f"{self._path}/trials/{number_of(wire)}", trace)
                found.append(self._activate(wire, active_trials, before))
                if len(found) == count:
                    break
        if found:
            return found
        if answer.worker_stopped:
            raise WorkerStopped(self.display_name, worker)
        if answer.study_state is StudyState.COMPLETED:
            self.refresh()
            raise StudyCompleted(self.display_name, self.wire.completion_reason or "")
        if answer.study_state is StudyState.INACTIVE:
            self.refresh()
            reason = self.wire.inactive_reason or "no reason was given"
            raise FailedPrecondition(400, "FAILED_PRECONDITION", f"the study {self.display_name!r} is paused: {reason}")
        return []

    def _activate(self, wire: vertex.Trial, active_trials: ActiveTrials, before: ActiveTrial | None) -> Trial:
        if before is not None:
            words = (
                f"attempt {before.attempt} of trial {before.number} was lost: its lease expired, and a new one began"
            )
            before.mark_lost(Aborted(409, "ABORTED", words), in_background=True)
        (parameters,) = self._decoded([wire])
        trial = ActiveTrial(self._path, wire, active_trials)
        self._session.activate(trial, active_trials)
        if self._session.status is not None:
            worker = wire.client_id or self._session.worker
            self._session.status.began(self.wire, self.url, worker, trial.number)
        return Trial(self._session, trial, wire, parameters, list(self.metrics))
