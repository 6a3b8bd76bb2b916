"""Trials: the handle of one that a worker runs, and the record of any."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, SupportsFloat, TypeAlias

from dodona._errors import Aborted, DodonaError, NotFound, NothingReported, ServerUnreachable
from dodona._space import Value
from dodona._transport import Transport
from dodona_schemas import vertex
from dodona_schemas.base import WireModel
from dodona_schemas.vertex import TrialState

logger = logging.getLogger("dodona")

_UNFINISHED = (TrialState.ACTIVE.name, TrialState.STOPPING.name)

# What a worker measured: the one number of a study with one metric, or a number for each metric by name.
Metrics: TypeAlias = SupportsFloat | Mapping[str, SupportsFloat]


@dataclass(frozen=True)
class Measurement:
    """Metrics at one moment of a trial; `elapsed` is the time since its worker began, if it was told."""

    step: int
    elapsed: timedelta | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrialRecord:
    """A trial as it stood when it was asked for.

    `state` is REQUESTED, ACTIVE, STOPPING, SUCCEEDED or INFEASIBLE; `metrics` are those of the final measurement,
    empty before it, and `step` is the step that they belong to; `worker` is who runs or ran it; `attempt` counts how
    often it was handed out.
    """

    number: int
    state: str
    parameters: Mapping[str, Value]
    metrics: Mapping[str, float]
    measurements: tuple[Measurement, ...]
    worker: str | None
    start: datetime | None
    end: datetime | None
    infeasible_reason: str | None
    attempt: int
    step: int = 0


@dataclass
class Hand:
    """The unfinished trials that one worker of this process has in hand in one study.

    The server gives a worker its unfinished trials back, so that a restarted one can go on. The hand tells those
    of them that this very process is running from those that it lost.

    `lock` is held while a trial is asked for or finished: the server and the hand then agree on how many there are.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    trials: dict[int, Trial] = field(default_factory=dict)


class Trial:
    """A trial that this worker runs; `Study.ask` makes it.

    As a context manager it ends with its block: completed with the last report if nobody completed it, infeasible
    with the reason if the block raised an Exception. If the process was told to leave (KeyboardInterrupt, SystemExit)
    or the server cannot be reached, the trial stays ACTIVE; the next `ask` under the same worker id has it back.

    Attributes:
        number: the trial's number in its study.
        parameters: the values to try, by name: exactly those that matter.
        attempt: how often the trial was handed out, this time included.
        state: as of the server's last answer: ACTIVE, STOPPING, SUCCEEDED or INFEASIBLE.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        wire: vertex.Trial,
        parameters: dict[str, Value],
        metric_names: list[str],
        hand: Hand,
    ) -> None:
        self.number = number_of(wire)
        self.parameters = parameters
        self.attempt = wire.attempt or 1
        self.state = state_of(wire)
        self._transport = transport
        self._path = path
        self._metric_names = metric_names
        self._hand = hand
        self._began = time.monotonic()
        self._last_step: int | None = None

    def __repr__(self) -> str:
        return f"<Trial {self.number} {self.state} {self.parameters}>"

    @property
    def should_stop(self) -> bool:
        """Whether to end early: by the server's last answer the trial is to be stopped, or was ended by somebody."""
        return self.state != TrialState.ACTIVE.name

    def report(self, metrics: Metrics, step: int | None = None) -> None:
        """Reports an intermediate result; read `should_stop` afterwards.

        Args:
            metrics: a number for each metric by name, or the number of the study's single metric. NaN may be reported.
            step: the epoch or whatever else counts the trial's progress; None if nothing does.

        Raises:
            ValueError: a single number for a study with several metrics.
            ApiError: the server refused, such as Aborted after the trial was handed on to another worker.
            ServerUnreachable: the server does not answer.
        """
        step = int(step or 0)
        self._call(
            "addTrialMeasurement",
            vertex.AddTrialMeasurementRequest(measurement=self._measurement(metrics, step)),
        )
        self._last_step = step

    def complete(self, metrics: Metrics | None = None, step: int | None = None) -> None:
        """Ends the trial with a result. A result that is not finite makes it INFEASIBLE.

        Args:
            metrics: as of `report`; None to take the last report, or the best if the study's spec says so.
            step: which the metrics belong to; None for that of the last report.

        Raises:
            ValueError: a single number for a study with several metrics.
            ApiError: the server refused, such as FailedPrecondition if nothing was reported.
            ServerUnreachable: the server does not answer.
        """
        if step is None:
            step = self._last_step or 0
        final = None if metrics is None else self._measurement(metrics, step)
        self._finish(vertex.CompleteTrialRequest(final_measurement=final))

    def fail(self, reason: str) -> None:
        """Ends the trial as INFEASIBLE: these parameters give no result.

        Args:
            reason: why, for people to read.

        Raises:
            ApiError: the server refused.
            ServerUnreachable: the server does not answer.
        """
        # Messages that quote file names may hold what no UTF-8 can.
        reason = reason.encode(errors="replace").decode()
        self._finish(vertex.CompleteTrialRequest(trial_infeasible=True, infeasible_reason=reason))

    def stop(self) -> None:
        """Marks the trial as to be ended early, so that `should_stop` is true.

        Raises:
            ApiError: the server refused.
            ServerUnreachable: the server does not answer.
        """
        self._call("stop", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if not self._in_hand or self.state not in _UNFINISHED:
                return
            if error is None:
                self._complete_with_last_report()
            elif isinstance(error, Exception) and not isinstance(error, ServerUnreachable):
                self._fail_with(error)
        finally:
            self._let_go()

    def _complete_with_last_report(self) -> None:
        if self._last_step is None:
            self.fail("the worker reported no result")
            raise NothingReported(self.number)
        self.complete()

    def _fail_with(self, error: Exception) -> None:
        try:
            self.fail(f"{type(error).__name__}: {error}")
        except DodonaError as refusal:
            # What the block raised says more than that the server could not be told of it.
            logger.warning("trial %d could not be marked infeasible: %s", self.number, refusal)

    def _measurement(self, metrics: Metrics, step: int) -> vertex.Measurement:
        measurement = measurement_of(metrics, self._metric_names)
        measurement.step_count = step
        measurement.elapsed_duration = time.monotonic() - self._began
        return measurement

    def _finish(self, body: vertex.CompleteTrialRequest) -> None:
        with self._hand.lock:
            self._call("complete", body)
            self._let_go()

    def _call(self, verb: str, body: WireModel | None) -> None:
        try:
            answer = self._transport.call("POST", f"{self._path}:{verb}", body, vertex.Trial)
        except (Aborted, NotFound):
            # It was handed on to another worker, or deleted: nothing more may be said about it from here.
            self._let_go()
            raise
        self.state = state_of(answer)

    @property
    def _in_hand(self) -> bool:
        return self._hand.trials.get(self.number) is self

    def _let_go(self) -> None:
        # A trial that was lost may be back meanwhile, under another handle.
        if self._in_hand:
            del self._hand.trials[self.number]


def measurement_of(metrics: Metrics, names: list[str]) -> vertex.Measurement:
    """What was measured, as it travels.

    Args:
        metrics: numbers by name, or the number of the single metric.
        names: of the study's metrics.

    Raises:
        ValueError: a single number for several metrics.
    """
    if not isinstance(metrics, Mapping):
        if len(names) != 1:
            raise ValueError(f"the study has the metrics {', '.join(names)}; report a dict with a number for each")
        metrics = {names[0]: metrics}
    measured = [vertex.Metric(metric_id=name, value=float(value)) for name, value in metrics.items()]
    return vertex.Measurement(metrics=measured)


def number_of(wire: vertex.Trial) -> int:
    """The trial's number: the last part of its name."""
    return int((wire.name or "").rpartition("/")[2])


def state_of(wire: vertex.Trial) -> str:
    """The name of the trial's state."""
    return (wire.state or TrialState.STATE_UNSPECIFIED).name


def record_of(wire: vertex.Trial, parameters: dict[str, Value]) -> TrialRecord:
    """The record of a trial.

    Args:
        wire: the server's words.
        parameters: its values in Python's types.
    """
    final = wire.final_measurement
    return TrialRecord(
        number=number_of(wire),
        state=state_of(wire),
        parameters=parameters,
        metrics={} if final is None else _metrics(final),
        measurements=tuple(_measurement(measured) for measured in wire.measurements or ()),
        worker=wire.client_id or None,
        start=wire.start_time,
        end=wire.end_time,
        infeasible_reason=wire.infeasible_reason or None,
        attempt=wire.attempt or 1,
        step=0 if final is None else final.step_count,
    )


def _measurement(wire: vertex.Measurement) -> Measurement:
    elapsed = None if wire.elapsed_duration is None else timedelta(seconds=wire.elapsed_duration)
    return Measurement(step=wire.step_count, elapsed=elapsed, metrics=_metrics(wire))


def _metrics(wire: vertex.Measurement) -> dict[str, float]:
    return {metric.metric_id: metric.value for metric in wire.metrics}
