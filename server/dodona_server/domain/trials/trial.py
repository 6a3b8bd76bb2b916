"""Trials and measurements."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.domain.errors import FailedPrecondition, Field
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Goal, Selection, StudySpec

# The key of a trial's metadata that says why it was stopped.
STOPPING_REASON = "stopping/reason"


class TrialState(enum.StrEnum):
    """State of a trial; SUCCEEDED and INFEASIBLE are final."""

    REQUESTED = "REQUESTED"
    ACTIVE = "ACTIVE"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    INFEASIBLE = "INFEASIBLE"


# A curve of at most this many measurements is short: it is read with its trial, and written on the event loop.
FEW_MEASUREMENTS = 10


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics at one step of a trial.

    Its step identifies it within its attempt; if no steps are counted (step 0), the elapsed seconds do. `predicted` is
    whether no worker has measured it: the server predicts it for a stopped trial.
    """

    metrics: Mapping[str, float]
    step: int = 0
    elapsed_seconds: float = 0.0
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """Time that a client keeps a trial without sending a heartbeat.

    `seconds` is the whole length. `left` is the part that was left, by the database's clock, when the trial was read.
    It ends at `expiry`, in seconds since the epoch.
    """

    seconds: float
    expiry: float = 0.0
    left: float = 0.0

    def renewed(self) -> Lease:
        """Return the lease, renewed for its whole length."""
        return Lease(self.seconds, self.expiry - self.left + self.seconds, self.seconds)


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation of the objective. Times are in seconds since the epoch.

    `client_id` is empty while no client runs it. `attempt` counts the attempts, `lost_attempts` those whose worker was
    lost, `lost_client_id` is the last of these workers. `checkpoint` is where the next attempt can resume, as the
    worker named it. `last_step` is the last step that earlier attempts reported, if it was asked for.
    `stopped` says whether it was asked to stop early: its measurements are then a part of a curve, and its final one is
    no final value.
    """

    number: int
    state: TrialState
    parameters: Mapping[str, Value]
    client_id: str = ""
    attempt: int = 0
    create_time: float = 0.0
    start_time: float | None = None
    end_time: float | None = None
    final_measurement: Measurement | None = None
    infeasible_reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    measurements: Sequence[Measurement] | None = None
    lease: Lease | None = None
    lost_attempts: int = 0
    lost_client_id: str = ""
    checkpoint: str = ""
    last_step: int | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class FinalResult:
    """Measurement that a trial ends with, and why it is infeasible; an empty reason for one that succeeds."""

    final: Measurement | None
    infeasible_reason: str = ""


@dataclass(frozen=True, slots=True)
class RankingPosition:
    """A position in the ranking of trials: the value of the first metric, and the trial's number."""

    objective: float
    number: int


def joined(attempts: Sequence[Sequence[Measurement]]) -> list[Measurement]:
    """Return one curve made of the attempts of a trial, in the order of the steps.

    An attempt resumes from a checkpoint or restarts. What earlier attempts measured from its first step on does not
    count.

    Args:
        attempts: the measurements of each attempt in order, the first attempt first.
    """
    curve: list[Measurement] = []
    for measured in attempts:
        if measured:
            curve = [one for one in curve if one.step < measured[0].step]
            curve += measured
    return curve


def final_measurement(spec: StudySpec, given: Measurement | None, measured: Sequence[Measurement]) -> Measurement:
    """Return the measurement that becomes a completed trial's result: the given one, else one of those reported.

    Args:
        spec: the study's.
        given: the one sent with the completion.
        measured: the trial's measurements in order.

    Raises:
        FailedPrecondition: there is none at all.
    """
    if given is not None and given.metrics:
        return _in_study_order(spec, given)
    if not measured:
        missing = "the trial has no measurement; complete it with a "
        raise FailedPrecondition((missing, Field("final_measurement"), " or as infeasible"))
    if spec.selection is Selection.BEST:
        return _in_study_order(spec, max(measured, key=lambda one: _merit(spec, one)))
    return _in_study_order(spec, measured[-1])


def final_result(spec: StudySpec, given: Measurement | None, measured: Sequence[Measurement]) -> FinalResult:
    """Return the result of a completed trial: infeasible if its final measurement is not valid.

    Raises:
        FailedPrecondition: see `final_measurement`, as for the arguments.
    """
    final = final_measurement(spec, given, measured)
    return FinalResult(final, infeasibility(spec, final))


def infeasibility(spec: StudySpec, measurement: Measurement) -> str:
    """Return why `measurement` is not a valid result; empty if it is."""
    for metric in spec.metrics:
        value = measurement.metrics.get(metric.id)
        if value is None:
            found = ", ".join(map(repr, measurement.metrics)) or "no metric"
            return f"the final measurement lacks the metric {metric.id!r}; it has {found}"
        if not math.isfinite(value):
            return f"the final value of the metric {metric.id!r} is {value!r}"
    return ""


def _merit(spec: StudySpec, measurement: Measurement) -> tuple[bool, float]:
    """Return the rank of a measurement within its trial, higher is better: valid results first."""
    value = measurement.metrics.get(spec.objective.id, math.nan)
    if math.isnan(value):
        return False, -math.inf
    return not infeasibility(spec, measurement), value if spec.objective.goal is Goal.MAXIMIZE else -value


def _in_study_order(spec: StudySpec, measurement: Measurement) -> Measurement:
    """Return the measurement with the study's metrics first: some clients rank trials by the first metric."""
    names = [metric.id for metric in spec.metrics if metric.id in measurement.metrics]
    names += [name for name in measurement.metrics if name not in names]
    ordered = {name: measurement.metrics[name] for name in names}
    return Measurement(ordered, measurement.step, measurement.elapsed_seconds)
