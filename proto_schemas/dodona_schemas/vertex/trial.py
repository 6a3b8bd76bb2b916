"""Trials and what they measure."""

from __future__ import annotations

from typing import Any

from dodona_schemas.base import Double, Duration, Int32, Int64, Repeated, TextMap, Timestamp, WireEnum, WireModel


class TrialState(WireEnum):
    """Where a trial stands; SUCCEEDED and INFEASIBLE are final."""

    STATE_UNSPECIFIED = 0
    REQUESTED = 1
    ACTIVE = 2
    STOPPING = 3
    SUCCEEDED = 4
    INFEASIBLE = 5


class TrialParameter(WireModel):
    """A parameter's value in a trial."""

    parameter_id: str = ""
    value: Any = None


class Metric(WireModel):
    """A metric's value in a measurement; proto3 leaves out a zero, so an absent value is 0."""

    metric_id: str = ""
    value: Double = 0.0


class Measurement(WireModel):
    """Metrics at one moment of a trial."""

    elapsed_duration: Duration | None = None
    step_count: Int64 = 0
    metrics: Repeated[Metric] = []


class Trial(WireModel):
    """One evaluation: parameters handed to a client and what it measured."""

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
    # Dodona's own: how many times the trial was handed out.
    attempt: Int32 | None = None
    # Dodona's own: what the client wants to remember of the trial.
    metadata: TextMap = {}
    # Dodona's own: how long the client has the trial without a sign of life, and when that time is over.
    lease_duration: Duration | None = None
    lease_expire_time: Timestamp | None = None
    # Dodona's own: the place from which the trial can go on, as its worker named it.
    checkpoint: str | None = None
    # Dodona's own, in answers to suggest: the last step that earlier attempts reported.
    last_step: Int64 | None = None


class TrialContext(WireModel):
    """A context to suggest for."""

    description: str = ""
    parameters: Repeated[TrialParameter] = []
