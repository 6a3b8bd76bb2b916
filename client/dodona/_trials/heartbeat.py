"""Heartbeat: renews the leases of the worker's active trials, however long a step takes."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from dodona._errors import Aborted, ApiError, FailedPrecondition, NotFound, ServerUnreachable
from dodona._http.transport import BASIC_VIEW, Transport, pause_after
from dodona._trials.active_trials import UNFINISHED, ActiveTrial
from dodona._trials.outbox import Outbox
from dodona_schemas import vertex

logger = logging.getLogger("dodona")

THREAD_NAME = "dodona-heartbeat"
HEARTBEATS_PER_LEASE = 3
PATIENCE_SECONDS = 1.0
LONGEST_TIMEOUT_SECONDS = 10.0


class Heartbeat:
    """A thread that renews the leases of active trials and sends buffered reports.

    It runs while there is something to do, and never keeps the process alive. A trial that reports often needs no
    heartbeat: each report renews its lease.

    Args:
        transport: the way to the server.
        lease_seconds: how long the server waits for a heartbeat or a report.
        active_trials: returns the active trials.
    """

    def __init__(
        self, transport: Transport, lease_seconds: float, active_trials: Callable[[], list[ActiveTrial]]
    ) -> None:
        self._transport = transport
        self._interval = lease_seconds / HEARTBEATS_PER_LEASE
        self._active_trials = active_trials
        self.outbox = Outbox(transport, self._flush_soon)
        self._closed = False
        self._complained = False
        self.after_fork()

    def after_fork(self) -> None:
        """Leave the thread and its work to the parent."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self.outbox.after_fork()

    def start(self) -> None:
        """Start the thread if it does not run; call this when there is something to do."""
        with self._lock:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # The process is ending, or may start no more threads; reports renew the lease as well.
                    logger.warning("the heartbeat thread cannot start: %s", error)
                else:
                    self._thread = thread

    def close(self) -> None:
        """End the thread; wait for it at most one second."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _flush_soon(self) -> None:
        self.start()
        if not self._failures:
            # Otherwise the thread knows that the server is away, and retries at its own pace.
            self._wake.set()

    def _work(self) -> None:
        while not self._ended():
            try:
                pause = self._round()
            except Exception:
                if self._closed:
                    # The connections were closed during a call.
                    return
                # Whatever failed, the other trials still need their heartbeats.
                logger.exception("a round of heartbeats failed; the next round tries again")
                pause = self._interval
            self._wake.wait(pause)
            self._wake.clear()

    def _ended(self) -> bool:
        """Return whether there is nothing to do any more; the next trial then starts a new thread."""
        with self._lock:
            if self._closed or not (self._active_trials() or self.outbox.pending):
                self._thread = None
                return True
        return False

    def _round(self) -> float:
        """Send what is due and return how many seconds to wait before the next round."""
        try:
            if self.outbox.pending:
                self.outbox.send()
            for trial in self._active_trials():
                if self._closed:
                    break
                if self._is_due(trial):
                    self._renew(trial)
        except ServerUnreachable as error:
            self._failures += 1
            self._transport.outage.call_failed(error.cause, None)
            return min(self._interval, pause_after(self._failures))
        self._failures = 0
        # A trial that becomes active meanwhile is not due before the thread's next round.
        return self._interval * random.uniform(0.4, 0.5)  # noqa: S311 - jitter needs no secrets

    def _is_due(self, trial: ActiveTrial) -> bool:
        """Return whether the trial's lease must be renewed now, because the next round would be too late."""
        return trial.state in UNFINISHED and time.monotonic() - trial.last_contact >= self._interval / 2

    def _renew(self, trial: ActiveTrial) -> None:
        if not trial.is_active:
            # It was finished during the heartbeats of the others.
            return
        try:
            answer = self._transport.call(
                "POST",
                f"{trial.path}:heartbeat?{BASIC_VIEW}",
                vertex.HeartbeatTrialRequest(attempt=trial.attempt, client_id=trial.client_id),
                vertex.Trial,
                patience=min(PATIENCE_SECONDS, self._interval),
                timeout=min(LONGEST_TIMEOUT_SECONDS, max(1.0, self._interval)),
            )
        except (Aborted, NotFound, FailedPrecondition) as error:
            if trial.is_active:
                trial.mark_lost(error, in_background=True)
        except ApiError as error:
            if not self._complained:
                self._complained = True
                logger.warning("a heartbeat of trial %d was refused: %s", trial.number, error)
        else:
            self._complained = False
            trial.update(answer)
