"""Reports on their way to the server: sent at once, or buffered in order while the server is away."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, chain, islice

from dodona._errors import (
    Aborted,
    ApiError,
    DodonaError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServerUnreachable,
    Unauthenticated,
)
from dodona._http.transport import BASIC_VIEW, Transport, pause_after
from dodona._trials.active_trials import ActiveTrial
from dodona._trials.record import Verdict
from dodona_schemas import vertex

MAX_BUFFERED = 10_000
# The server's limits for one call: reports, and with room for the rest of the message bytes and JSON objects.
MAX_BATCH = 1000
MAX_BATCH_BYTES = 4 * 2**20
MAX_BATCH_OBJECTS = 40_000

# How long a worker waits for a server that does not answer before training continues.
DIRECT_PATIENCE_SECONDS = 1.0
DIRECT_TIMEOUT_SECONDS = 10.0
# The shortest time-out of a call, however little time is left.
MIN_TIMEOUT_SECONDS = 0.1

# The reports themselves are valid: the token must be corrected, or the caller must wait.
_LATER = (Unauthenticated, PermissionDenied, ResourceExhausted)


@dataclass(frozen=True, slots=True)
class _Buffered:
    """A buffered report, sent as a call of its own or as a part of a batch."""

    trial: ActiveTrial
    body: vertex.AddTrialMeasurementRequest

    def in_batch(self) -> bytes:
        body = self.body
        report = vertex.TrialReport(
            trial=str(self.trial.number),
            measurement=body.measurement,
            attempt=body.attempt,
            client_id=body.client_id,
            checkpoint=body.checkpoint,
        )
        return report.to_json()


class Outbox:
    """Queue of reports from a client's trials to the server.

    A report is one call; its answer says whether to stop. While the server does not answer, reports are buffered in
    memory. The next caller sends them first, so that they arrive in order. May be used by many threads.

    Args:
        transport: the way to the server.
        on_buffered: called when a report is buffered, so that a thread sends it later.
    """

    def __init__(self, transport: Transport, on_buffered: Callable[[], None]) -> None:
        self._transport = transport
        self._on_buffered = on_buffered
        self._buffered: dict[str, deque[_Buffered]] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """Leave the buffered reports to the parent."""
        self._lock = threading.Lock()
        # One thread sends at a time, else batches could overtake each other.
        self._sending = threading.Lock()
        for buffered in chain.from_iterable(self._buffered.values()):
            buffered.trial.buffered = 0
        self._buffered.clear()
        self._count = 0
        self._away_since: float | None = None
        self._cause: Exception = DodonaError("no call was made")

    @property
    def pending(self) -> int:
        """Number of buffered reports."""
        return self._count

    def report(self, trial: ActiveTrial, body: vertex.AddTrialMeasurementRequest) -> None:
        """Send a report, or buffer it while the server is away.

        Args:
            trial: the trial.
            body: the measurement.

        Raises:
            ServerUnreachable: the server was away for too long, or too many reports are buffered; this one is not.
            ApiError: the server refused this report, or one that was buffered before.
        """
        trial.check()
        if self._count and not self._is_emptied():
            self._buffer(trial, body)
            return
        trial.check()
        try:
            answer = self._transport.call(
                "POST",
                f"{trial.path}:addTrialMeasurement?{BASIC_VIEW}",
                body,
                Verdict,
                patience=DIRECT_PATIENCE_SECONDS,
                timeout=DIRECT_TIMEOUT_SECONDS,
            )
        except ServerUnreachable as error:
            self._went_away(error.cause, time.monotonic() - error.waited_seconds)
            self._buffer(trial, body)
        except (Aborted, NotFound) as error:
            raise trial.mark_lost(error) from error
        else:
            trial.update(answer)

    def deliver(self, trial: ActiveTrial, patience: float) -> None:
        """Send all buffered reports of a trial.

        Args:
            trial: the trial.
            patience: seconds to try.

        Raises:
            ServerUnreachable: the server did not answer for that long.
        """
        started = time.monotonic()
        tries = 0
        while trial.buffered:
            try:
                self.send(max(MIN_TIMEOUT_SECONDS, patience - (time.monotonic() - started)))
            except ServerUnreachable as error:
                waited = time.monotonic() - started
                if waited >= patience:
                    raise self._transport.unreachable(waited, error.cause) from error
                tries += 1
                time.sleep(min(patience - waited, pause_after(tries)))

    def send(self, patience: float = DIRECT_TIMEOUT_SECONDS) -> None:
        """Send all buffered reports.

        Args:
            patience: seconds to wait for another thread that is sending, and for each answer.

        Raises:
            ServerUnreachable: the server does not answer or refuses the token; the rest stays buffered.
        """
        if not self._sending.acquire(timeout=patience):
            raise self._transport.unreachable(patience, self._cause)
        try:
            self._send_all(min(patience, DIRECT_TIMEOUT_SECONDS))
        finally:
            self._sending.release()

    def _send_all(self, timeout: float) -> None:
        while study_path := next((path for path, buffered in self._buffered.copy().items() if buffered), None):
            try:
                self._send_batch(study_path, timeout)
            except ServerUnreachable as error:
                self._went_away(error.cause, time.monotonic() - error.waited_seconds)
                raise
            except _LATER as error:
                since = self._went_away(error, time.monotonic())
                raise self._transport.unreachable(time.monotonic() - since, error) from error
        self._away_since = None

    def _is_emptied(self) -> bool:
        """Return whether no report is buffered any more; a server that is known to be away is not tried again here."""
        if self._away_since is not None:
            return False
        try:
            self.send(DIRECT_PATIENCE_SECONDS)
        except ServerUnreachable:
            return False
        return True

    def _went_away(self, cause: Exception, since: float) -> float:
        with self._lock:
            if self._away_since is None:
                self._away_since = since
            self._cause = cause
            return self._away_since

    def _buffer(self, trial: ActiveTrial, body: vertex.AddTrialMeasurementRequest) -> None:
        with self._lock:
            since = self._away_since
            absence = 0.0 if since is None else time.monotonic() - since
            if since is not None and absence >= self._transport.patience_seconds:
                raise self._transport.unreachable(absence, self._cause) from self._cause
            if self._count >= MAX_BUFFERED:
                cause = DodonaError(f"{self._cause}; {MAX_BUFFERED} reports are buffered in memory, which is the limit")
                raise self._transport.unreachable(absence, cause) from self._cause
            self._buffered.setdefault(trial.study_path, deque()).append(_Buffered(trial, body))
            self._count += 1
            trial.buffered += 1
        self._on_buffered()

    def _send_batch(self, study_path: str, timeout: float) -> None:
        """Send the first buffered reports of one study."""
        with self._lock:
            queue = self._buffered[study_path]
            batch = list(islice(queue, MAX_BATCH))
        # Reports of a lost trial are pointless.
        parts = [b"" if buffered.trial.lost else buffered.in_batch() for buffered in batch]
        sizes = accumulate(map(len, parts))
        objects = accumulate(part.count(b"{") for part in parts)
        # At least one: the server answers a single report that is too large with its own error.
        fits = (
            size <= MAX_BATCH_BYTES and count <= MAX_BATCH_OBJECTS for size, count in zip(sizes, objects, strict=True)
        )
        fitting = max(1, sum(fits))
        batch, parts = batch[:fitting], parts[:fitting]
        if len(batch) > 1 and self._send_together(study_path, batch, parts, timeout):
            self._drop(queue, batch)
            return
        # A refused report must not take the others with it. Once it is found, the others may be a batch again.
        for buffered in batch:
            accepted = self._send_one(buffered, timeout)
            self._drop(queue, [buffered])
            if not accepted:
                return

    def _send_together(self, study_path: str, batch: list[_Buffered], parts: list[bytes], timeout: float) -> bool:
        """Return whether the server took a batch; it takes all of it or nothing."""
        batch = [buffered for buffered, part in zip(batch, parts, strict=True) if part]
        if not batch:
            return True
        body = b'{"reports":[' + b",".join(filter(None, parts)) + b"]}"
        try:
            answer = self._transport.call(
                "POST",
                f"{study_path}/trials:report?{BASIC_VIEW}",
                body,
                vertex.ReportTrialsResponse,
                patience=DIRECT_PATIENCE_SECONDS,
                timeout=timeout,
            )
        except _LATER:
            raise
        except ApiError:
            return False
        for buffered, wire in zip(batch, answer.trials, strict=False):
            buffered.trial.update(wire)
        return True

    def _send_one(self, buffered: _Buffered, timeout: float) -> bool:
        """Return whether the server accepted a report sent alone; a refusal is passed to its trial."""
        trial = buffered.trial
        if trial.lost is not None:
            return True
        try:
            answer = self._transport.call(
                "POST",
                f"{trial.path}:addTrialMeasurement?{BASIC_VIEW}",
                buffered.body,
                Verdict,
                patience=DIRECT_PATIENCE_SECONDS,
                timeout=timeout,
            )
        except _LATER:
            raise
        except (Aborted, NotFound) as error:
            trial.mark_lost(error, in_background=True)
        except ApiError as error:
            trial.add_refusal(error)
        else:
            trial.update(answer)
            return True
        return False

    def _drop(self, queue: deque[_Buffered], sent: list[_Buffered]) -> None:
        with self._lock:
            for buffered in sent:
                queue.popleft()
                buffered.trial.buffered -= 1
            self._count -= len(sent)
