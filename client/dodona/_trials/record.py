"""Trials on the wire, and the record of any trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import SupportsFloat, TypeAlias

from dodona._notes import NOTE, tags_in
from dodona._space import Value
from dodona._text import checked, line_of
from dodona._values import measured
from dodona_schemas import vertex
from dodona_schemas.base import TextMap, WireModel
from dodona_schemas.vertex import TrialState

# A measurement: one number for a study with one metric, or a number for each metric by name.
Metrics: TypeAlias = SupportsFloat | Mapping[str, SupportsFloat]

# The entry of a trial's metadata with the reason why it was asked to stop.
_STOPPING_REASON = "stopping/reason"


@dataclass(frozen=True)
class Measurement:
    """Metrics at one moment of a trial; `elapsed` is the time since its worker began, if it was reported."""

    step: int
    elapsed: timedelta | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrialRecord:
    """A trial at the time of the request.

    `state` is REQUESTED, ACTIVE, STOPPING, SUCCEEDED or INFEASIBLE. `metrics` are those of the final measurement, empty
    before it, and `step` is their step. `worker` is the worker that runs or ran the trial. `attempt` counts how often
    the trial was handed out. `checkpoint` is where to resume it, if its worker named a place. `stopping_reason` is why
    it was asked to stop; None if it was not. `stopped` says whether it ended early for that: `metrics` are then those
    of a part of its training, and it is the best trial only if no other has succeeded. `note` and `tags` are what
    people have added.
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
    checkpoint: str | None = None
    stopping_reason: str | None = None
    stopped: bool = False
    note: str = ""
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line: "trial 7 SUCCEEDED with objective=0.25: x=1.5, kind='a'"."""
        metrics = ", ".join(f"{name}={value:.6g}" for name, value in self.metrics.items())
        values = ", ".join(
            f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.parameters.items()
        )
        result = f" with {metrics}" if metrics else ""
        return line_of(f"trial {self.number} {self.state}{result}: {values or 'no parameters'}")


class Verdict(WireModel):
    """Part of a reported trial that its worker needs; parsing the whole trial costs more than the call."""

    state: TrialState | None = None
    metadata: TextMap | None = None


def measurement_of(metrics: Metrics, names: list[str]) -> vertex.Measurement:
    """Return the metrics as a measurement of the protocol.

    Args:
        metrics: numbers by name, or the number of the single metric.
        names: of the study's metrics.

    Raises:
        ValueError: a single number for several metrics, a value that is not a number, or a name that the server
            cannot store.
    """
    if not isinstance(metrics, Mapping):
        if len(names) != 1:
            raise ValueError(f"the study has the metrics {', '.join(names)}; report a dict with a number for each")
        metrics = {names[0]: metrics}
    named = [(checked(name, "a metric's name"), value) for name, value in metrics.items()]
    return vertex.Measurement(
        metrics=[vertex.Metric(metric_id=name, value=measured(value, f"metric {name!r}")) for name, value in named]
    )


def number_of(wire: vertex.Trial) -> int:
    """Return the trial's number: the last part of its name."""
    return int((wire.name or "").rpartition("/")[2])


def state_of(wire: vertex.Trial | Verdict) -> str:
    """Return the name of the trial's state."""
    return (wire.state or TrialState.STATE_UNSPECIFIED).name


def stopping_reason_of(wire: vertex.Trial | Verdict) -> str | None:
    """Return why the trial was asked to stop; None if it was not."""
    return (wire.metadata or {}).get(_STOPPING_REASON)


def record_of(wire: vertex.Trial, parameters: dict[str, Value]) -> TrialRecord:
    """Return the record of a trial.

    Args:
        wire: the server's message.
        parameters: its values in Python's types.
    """
    final = wire.final_measurement
    return TrialRecord(
        number=number_of(wire),
        state=state_of(wire),
        parameters=parameters,
        metrics={} if final is None else _metrics(final),
        measurements=tuple(_measurement(measured) for measured in wire.measurements or () if not measured.predicted),
        worker=wire.client_id or None,
        start=wire.start_time,
        end=wire.end_time,
        infeasible_reason=wire.infeasible_reason or None,
        attempt=wire.attempt or 1,
        step=0 if final is None else final.step_count,
        checkpoint=wire.checkpoint or None,
        stopping_reason=stopping_reason_of(wire),
        stopped=bool(wire.stopped),
        note=(wire.metadata or {}).get(NOTE, ""),
        tags=tuple(tags_in(wire.metadata or {})),
    )


def _measurement(wire: vertex.Measurement) -> Measurement:
    elapsed = None if wire.elapsed_duration is None else timedelta(seconds=wire.elapsed_duration)
    return Measurement(step=wire.step_count, elapsed=elapsed, metrics=_metrics(wire))


def _metrics(wire: vertex.Measurement) -> dict[str, float]:
    return {metric.metric_id: metric.value for metric in wire.metrics}
