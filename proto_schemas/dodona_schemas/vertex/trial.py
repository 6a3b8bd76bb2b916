"""Trials and their measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dodona_schemas.base import (
    Double,
    Duration,
    Flag,
    Int32,
    Int64,
    Repeated,
    TextMap,
    Timestamp,
    WireEnum,
    WireModel,
    WirePart,
    own,
)


class TrialState(WireEnum):
    """State of a trial; SUCCEEDED and INFEASIBLE are final."""

    STATE_UNSPECIFIED = 0
    REQUESTED = 1
    ACTIVE = 2
    STOPPING = 3
    SUCCEEDED = 4
    INFEASIBLE = 5


@dataclass(slots=True)
class TrialParameter(WirePart):
    """A parameter's value in a trial."""

    parameter_id: str = ""
    value: Any = None


@dataclass(slots=True)
class Metric(WirePart):
    """A metric's value in a measurement; proto3 leaves out a zero, so an absent value is 0."""

    metric_id: str = ""
    value: Double = 0.0


class Measurement(WireModel):
    """Metrics at one step of a trial."""

    elapsed_duration: Duration | None = None
    step_count: Int64 = 0
    metrics: Repeated[Metric] = []
    predicted: Flag | None = own("whether the server predicts it for a stopped trial, and no worker has measured it")


class Trial(WireModel):
    """One evaluation: the parameters that a client runs, and its measurements."""

    name: str | None = None
    id: str | None = None
    state: TrialState | None = None
    parameters: Repeated[TrialParameter] = []
    final_measurement: Measurement | None = None
    measurements: list[Measurement] | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    client_id: str | None = None
    infeasible_reason: str | None = None
    attempt: Int32 | None = own("the number of attempts at the trial")
    metadata: TextMap = own("strings that the client stores with the trial", {})
    lease_duration: Duration | None = own("how long the client keeps the trial without a heartbeat")
    lease_expire_time: Timestamp | None = own("when the client loses the trial without a heartbeat")
    checkpoint: str | None = own("where the next attempt can resume, as the worker named it")
    last_step: Int64 | None = own("in answers to suggest, the last step that earlier attempts reported")
    stopped: Flag | None = own("whether it was stopped early: its final measurement is then no final value")


class TrialContext(WireModel):
    """A context to suggest for."""

    description: str = ""
    parameters: Repeated[TrialParameter] = []
