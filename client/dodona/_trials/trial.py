"""Handle of a trial that a worker runs."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

from dodona._artifacts import Artifacts
from dodona._errors import Aborted, DodonaError, NotFound, NothingReported, ServerUnreachable
from dodona._http.transport import BASIC_VIEW
from dodona._space import Value
from dodona._text import MAX_REASON_LENGTH, checked, message_of, sendable, shortened, words_of
from dodona._trials.active_trials import UNFINISHED, ActiveTrial
from dodona._trials.record import Metrics, measurement_of, state_of
from dodona._trials.session import Session
from dodona._values import MAX_INT32, MAX_INT64, whole
from dodona_schemas import vertex
from dodona_schemas.base import WireModel
from dodona_schemas.vertex import TrialState
from dodona_schemas.vertex.fields import MAX_CHECKPOINT_LENGTH

logger = logging.getLogger("dodona")

# How long a process that was asked to exit tries to release its trial.
LEAVING_SECONDS = 3.0


class Trial:
    """A trial that this worker runs; created by `Study.ask`.

    The worker has the trial for the length of the client's lease. Each report renews the lease; while the process
    lives, a thread renews it too. If the worker dies or loses the connection for longer, the next worker that asks gets
    the trial. Then `should_stop` is true here and each call raises Aborted: continue with the next trial.

    As a context manager, the trial ends with its block. It is completed with the last report if the block did not
    complete it, and infeasible with the reason if the block raised an Exception. If the process was asked to exit
    (KeyboardInterrupt, SystemExit), the trial is released for another worker. If the server cannot be reached, the
    trial is left to expire with its lease.

    Attributes:
        number: the trial's number in its study.
        parameters: the values to try, by name; only the active parameters.
        attempt: how often the trial was handed out, this time included.
        last_step: the last reported step, of this or an earlier attempt; None without a report.
        checkpoint: where to resume the trial, as last reported; None if no report named a place.
        artifacts: the files that the server keeps with the trial, those of earlier attempts included.
    """

    def __init__(
        self,
        session: Session,
        active: ActiveTrial,
        wire: vertex.Trial,
        parameters: dict[str, Value],
        metric_names: list[str],
        age_seconds: float = 0.0,
    ) -> None:
        self.number = active.number
        self.parameters = parameters
        self.attempt = active.attempt
        self.last_step: int | None = wire.last_step
        self.checkpoint: str | None = wire.checkpoint or None
        self.artifacts = Artifacts(session.transport, active.path, active.attempt)
        self._session = session
        self._transport = session.transport
        self._active = active
        self._metric_names = metric_names
        self._mine: dict[str, Any] = {"attempt": active.attempt, "client_id": active.client_id}
        self._began = time.monotonic() - age_seconds
        self._last_moment = -1

    def __repr__(self) -> str:
        return f"<Trial {self.number} {self.state} {self.parameters}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"trial {self.number} belongs to the process that asked for it and cannot be sent to another one; "
            "send trial.parameters, or send the study and ask there"
        )

    @property
    def state(self) -> str:
        """State in the server's last answer: ACTIVE, STOPPING, SUCCEEDED or INFEASIBLE; REQUESTED once released."""
        return self._active.state

    @property
    def lost(self) -> bool:
        """Whether the trial is no longer this worker's: its lease expired, or another client deleted or ended it."""
        return self._active.lost is not None

    @property
    def should_stop(self) -> bool:
        """Whether to end early: the trial is to be stopped, was ended by another client, or is lost to this worker."""
        return self.lost or self.state != TrialState.ACTIVE.name

    @property
    def stopping_reason(self) -> str | None:
        """Reason why the trial was asked to stop, by the server's answers; None if it was not."""
        return self._active.stopping_reason

    def report(
        self,
        metrics: Metrics,
        step: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        execution: int = 0,
    ) -> None:
        """Report an intermediate result; read `should_stop` afterwards.

        While the server does not answer, reports are buffered in memory and training continues. They are sent in order
        once the server is back.

        Args:
            metrics: a number for each metric by name, or the number of the study's single metric. NaN may be reported.
            step: the epoch, or another count of the trial's progress; None without one.
            checkpoint: the place, such as a file, from which another worker can resume the trial; None to keep the last
                one.
            execution: which training of the trial it belongs to, from 0 on, such as a fold of a cross-validation.
                Stopping rules judge the first one. Steps continue from one execution to the next.

        Raises:
            ValueError: a single number for a study with several metrics, a value that is not a number, a step that is
                not a whole number, or a name or a checkpoint that the server cannot store.
            Aborted: the trial was lost to another worker, or ended by another client.
            ApiError: the server refused this report, or one that was buffered before.
            ServerUnreachable: the server was away for longer than `Retry` allows, or 10 000 reports are buffered.
        """
        place = None if checkpoint is None else _checked_checkpoint(os.fspath(checkpoint))
        body = vertex.AddTrialMeasurementRequest(
            measurement=self._measurement(metrics, step or 0),
            **self._mine,
            checkpoint=place,
            execution=whole(execution, "execution", 0, MAX_INT32) or None,
        )
        self._session.outbox.report(self._active, body)
        if self._session.status is not None:
            self._session.status.reported(self.number, body.measurement)
        self.last_step = body.measurement.step_count
        self.checkpoint = place or self.checkpoint

    def complete(
        self,
        metrics: Metrics | None = None,
        step: int | None = None,
        used: Sequence[vertex.TrialParameter] | None = None,
        *,
        trained_fully: bool = False,
    ) -> None:
        """End the trial with a result. A result that is not finite makes it INFEASIBLE.

        Buffered reports are sent first.

        Args:
            metrics: see `report`; None to take the last report, or the best if the study's spec says so.
            step: the step that the metrics belong to; None for that of the last report.
            used: all the values that the trial really used, in the protocol's form; they become its parameters. None to
                keep the suggested values.
            trained_fully: whether the training had reached its end when the trial was asked to stop. The trial then
                does not count as stopped early.

        Raises:
            ValueError: a single number for a study with several metrics, a value that is not a number, or a step that
                is not a whole number.
            Aborted: the trial was lost to another worker, or ended by another client.
            ApiError: the server refused, such as FailedPrecondition if nothing was reported.
            ServerUnreachable: the server does not answer.
        """
        if step is None:
            step = self.last_step or 0
        final = None if metrics is None else self._measurement(metrics, step)
        self._active.check()
        self._session.outbox.deliver(self._active, self._transport.patience_seconds)
        self._active.check()
        body = vertex.CompleteTrialRequest(
            final_measurement=final, parameters=_listed(used), whole=trained_fully or None, **self._mine
        )
        self._finish(body)

    def fail(self, reason: str, used: Sequence[vertex.TrialParameter] | None = None) -> None:
        """End the trial as INFEASIBLE: these parameters give no result.

        Args:
            reason: the reason, for people: any text. A very long text is cut in the middle.
            used: see `complete`.

        Raises:
            Aborted: the trial was lost to another worker, or ended by another client.
            ApiError: the server refused.
            ServerUnreachable: the server does not answer.
        """
        reason = shortened(sendable(words_of(reason)), MAX_REASON_LENGTH)
        self._session.outbox.deliver(self._active, self._transport.patience_seconds)
        if self._active.lost is not None:
            raise self._active.lost
        body = vertex.CompleteTrialRequest(
            trial_infeasible=True, infeasible_reason=reason, parameters=_listed(used), **self._mine
        )
        self._finish(body)

    def release(self, patience_seconds: float | None = None) -> None:
        """Release the trial, so that another worker runs it at once; this attempt does not count as lost.

        Args:
            patience_seconds: how long to try, for a process that must exit soon; None for as long as `Retry` says.

        Raises:
            Aborted: the trial was lost to another worker, or ended by another client.
            ApiError: the server refused.
            ServerUnreachable: the server does not answer; another worker gets the trial when its lease expires.
        """
        # Before the call: no heartbeat may follow it.
        self._active.deactivate()
        limit = self._transport.patience_seconds
        self._session.outbox.deliver(self._active, limit if patience_seconds is None else patience_seconds)
        if self._active.lost is not None:
            raise self._active.lost
        body = vertex.ReleaseTrialRequest(**self._mine, request_id=uuid.uuid4().hex)
        released = self._call("release", body, patience_seconds)
        self._active.state = state_of(released)
        self._update_status(released)

    def stop(self) -> None:
        """Ask for the trial to end early: `should_stop` becomes true.

        Raises:
            ApiError: the server refused.
            ServerUnreachable: the server does not answer.
        """
        if self._active.lost is not None:
            # The worker that has the trial now must not be stopped.
            raise self._active.lost
        self._active.update(self._call("stop", None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if not self._active.is_active or self.state not in UNFINISHED:
                return
            if error is None:
                self._complete_with_last_report()
            elif not isinstance(error, Exception):
                self._release()
            elif not isinstance(error, ServerUnreachable):
                self._fail_with(error)
        finally:
            self._active.deactivate()

    def _complete_with_last_report(self) -> None:
        if self.last_step is None:
            self.fail("the worker reported no result")
            raise NothingReported(self.number)
        self._session.outbox.deliver(self._active, self._transport.patience_seconds)
        if (refused := self._active.pop_refusal()) is not None:
            self._fail_with(refused)
            raise refused
        self.complete()

    def _fail_with(self, error: Exception) -> None:
        try:
            self.fail(message_of(error))
        except DodonaError as refusal:
            # The block's own error matters more than this one.
            logger.warning("trial %d could not be marked infeasible: %s", self.number, refusal)

    def _release(self) -> None:
        try:
            self.release(LEAVING_SECONDS)
        except DodonaError as refusal:
            seconds = self._session.lease_seconds
            logger.warning(
                "trial %d could not be released; other workers get it when its lease of %g s expires: %s",
                self.number,
                seconds,
                refusal,
            )

    def _measurement(self, metrics: Metrics, step: int) -> vertex.Measurement:
        measurement = measurement_of(metrics, self._metric_names)
        measurement.step_count = whole(step, "step", 0, MAX_INT64)
        # Their time, in milliseconds, distinguishes reports without steps.
        self._last_moment = max(self._last_moment + 1, int((time.monotonic() - self._began) * 1000))
        measurement.elapsed_duration = self._last_moment / 1000
        return measurement

    def _finish(self, body: vertex.CompleteTrialRequest) -> None:
        ended = self._call("complete", body)
        self._active.update(ended)
        self._active.deactivate()
        self._update_status(ended)

    def _update_status(self, wire: vertex.Trial) -> None:
        if self._session.status is not None:
            self._session.status.ended(wire)

    def _call(self, verb: str, body: WireModel | None, patience: float | None = None) -> vertex.Trial:
        path = f"{self._active.path}:{verb}?{BASIC_VIEW}"
        try:
            return self._transport.call("POST", path, body, vertex.Trial, patience=patience, timeout=patience)
        except (Aborted, NotFound) as error:
            # The trial was handed to another worker or deleted: no more calls about it from here.
            raise self._active.mark_lost(error) from error


def _checked_checkpoint(place: str) -> str:
    if len(place) > MAX_CHECKPOINT_LENGTH:
        raise ValueError(f"checkpoint has {len(place)} characters; {MAX_CHECKPOINT_LENGTH} are allowed")
    return checked(place, "checkpoint")


def _listed(used: Sequence[vertex.TrialParameter] | None) -> list[vertex.TrialParameter] | None:
    return None if used is None else list(used)
