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
from dodona._record import Verdict
from dodona._run import Run
from dodona._transport import BASIC_VIEW, Transport, pause_after
from dodona_schemas import vertex

MAX_HELD = 10_000
# The server's limits for one call: reports, and bytes with room for the rest of the message.
MAX_BATCH = 1000
MAX_BATCH_BYTES = 4 * 2**20

# How long a worker waits for a server that does not answer before training continues.
DIRECT_PATIENCE_SECONDS = 1.0
DIRECT_TIMEOUT_SECONDS = 10.0
# The shortest time-out of a call, however little time is left.
MIN_TIMEOUT_SECONDS = 0.1

# The reports themselves are valid: the token must be corrected, or the caller must wait.
_LATER = (Unauthenticated, PermissionDenied, ResourceExhausted)


@dataclass(frozen=True, slots=True)
class _Held:
    """A buffered report, sent as a call of its own or as a part of a batch."""

    run: Run
    body: vertex.AddTrialMeasurementRequest

    def in_batch(self) -> bytes:
        body = self.body
        report = vertex.TrialReport(
            trial=str(self.run.number),
            measurement=body.measurement,
            attempt=body.attempt,
            client_id=body.client_id,
            checkpoint=body.checkpoint,
        )
        return report.to_json()


class Outbox:
    """Send the reports of a client's trials to the server.

    A report is one call; its answer says whether to stop. While the server does not answer, reports are buffered in
    memory. The next caller sends them first, so that they arrive in order. May be used by many threads.

    Args:
        transport: the way to the server.
        on_hold: called when a report is buffered, so that a thread sends it later.
    """

    def __init__(self, transport: Transport, on_hold: Callable[[], None]) -> None:
        self._transport = transport
        self._on_hold = on_hold
        self._held: dict[str, deque[_Held]] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """Leave the buffered reports to the parent."""
        self._lock = threading.Lock()
        # One thread sends at a time, else batches could overtake each other.
        self._sending = threading.Lock()
        for held in chain.from_iterable(self._held.values()):
            held.run.held = 0
        self._held.clear()
        self._count = 0
        self._away_since: float | None = None
        self._cause: Exception = DodonaError("no call was made")

    @property
    def pending(self) -> int:
        """How many reports are buffered."""
        return self._count

    def report(self, run: Run, body: vertex.AddTrialMeasurementRequest) -> None:
        """Send a report, or buffer it while the server is away.

        Args:
            run: the trial.
            body: the measurement.

        Raises:
            ServerUnreachable: the server was away for too long, or too many reports are buffered; this one is not.
            ApiError: the server refused this report, or one that was buffered before.
        """
        run.check()
        if self._count and not self._emptied():
            self._hold(run, body)
            return
        run.check()
        try:
            answer = self._transport.call(
                "POST",
                f"{run.path}:addTrialMeasurement?{BASIC_VIEW}",
                body,
                Verdict,
                patience=DIRECT_PATIENCE_SECONDS,
                timeout=DIRECT_TIMEOUT_SECONDS,
            )
        except ServerUnreachable as error:
            self._went_away(error.cause, time.monotonic() - error.waited_seconds)
            self._hold(run, body)
        except (Aborted, NotFound) as error:
            raise run.lose(error) from error
        else:
            run.learn(answer)

    def deliver(self, run: Run, patience: float) -> None:
        """Send all buffered reports of a trial.

        Args:
            run: the trial.
            patience: seconds to try.

        Raises:
            ServerUnreachable: the server did not answer for that long.
        """
        started = time.monotonic()
        tries = 0
        while run.held:
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
        while study_path := next((path for path, held in self._held.copy().items() if held), None):
            try:
                self._send_batch(study_path, timeout)
            except ServerUnreachable as error:
                self._went_away(error.cause, time.monotonic() - error.waited_seconds)
                raise
            except _LATER as error:
                since = self._went_away(error, time.monotonic())
                raise self._transport.unreachable(time.monotonic() - since, error) from error
        self._away_since = None

    def _emptied(self) -> bool:
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

    def _hold(self, run: Run, body: vertex.AddTrialMeasurementRequest) -> None:
        with self._lock:
            since = self._away_since
            absence = 0.0 if since is None else time.monotonic() - since
            if since is not None and absence >= self._transport.patience_seconds:
                raise self._transport.unreachable(absence, self._cause) from self._cause
            if self._count >= MAX_HELD:
                cause = DodonaError(f"{self._cause}; {MAX_HELD} reports are held in memory, and no more may be")
                raise self._transport.unreachable(absence, cause) from self._cause
            self._held.setdefault(run.study_path, deque()).append(_Held(run, body))
            self._count += 1
            run.held += 1
        self._on_hold()

    def _send_batch(self, study_path: str, timeout: float) -> None:
        """Send the first buffered reports of one study."""
        with self._lock:
            queue = self._held[study_path]
            batch = list(islice(queue, MAX_BATCH))
        # Reports of a lost trial are pointless.
        parts = [b"" if held.run.lost else held.in_batch() for held in batch]
        sizes = accumulate(map(len, parts))
        # At least one: the server answers a single report that is too large with its own error.
        fitting = max(1, sum(size <= MAX_BATCH_BYTES for size in sizes))
        batch, parts = batch[:fitting], parts[:fitting]
        if len(batch) > 1 and self._taken(study_path, batch, parts, timeout):
            self._drop(queue, batch)
            return
        # A refused report must not take the others with it. Once it is found, the others may be a batch again.
        for held in batch:
            taken = self._took(held, timeout)
            self._drop(queue, [held])
            if not taken:
                return

    def _taken(self, study_path: str, batch: list[_Held], parts: list[bytes], timeout: float) -> bool:
        """Return whether the server took a batch; it takes all of it or nothing."""
        batch = [held for held, part in zip(batch, parts, strict=True) if part]
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
        for held, wire in zip(batch, answer.trials, strict=False):
            held.run.learn(wire)
        return True

    def _took(self, held: _Held, timeout: float) -> bool:
        """Return whether the server accepted a report sent alone; a refusal is passed to its trial."""
        run = held.run
        if run.lost is not None:
            return True
        try:
            answer = self._transport.call(
                "POST",
                f"{run.path}:addTrialMeasurement?{BASIC_VIEW}",
                held.body,
                Verdict,
                patience=DIRECT_PATIENCE_SECONDS,
                timeout=timeout,
            )
        except _LATER:
            raise
        except (Aborted, NotFound) as error:
            run.lose(error, aside=True)
        except ApiError as error:
            run.refuse(error)
        else:
            run.learn(answer)
            return True
        return False

    def _drop(self, queue: deque[_Held], sent: list[_Held]) -> None:
        with self._lock:
            for held in sent:
                queue.popleft()
                held.run.held -= 1
            self._count -= len(sent)
