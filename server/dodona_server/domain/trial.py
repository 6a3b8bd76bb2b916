"""Trials and measurements."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.domain.errors import FailedPrecondition
from dodona_server.domain.space import Value
from dodona_server.domain.study import Goal, Selection, StudySpec


class TrialState(enum.StrEnum):
    """Where a trial stands; SUCCEEDED and INFEASIBLE are final."""

    REQUESTED = "REQUESTED"
    ACTIVE = "ACTIVE"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    INFEASIBLE = "INFEASIBLE"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics at one moment of a trial.

    A measurement is told apart from the others of its attempt by its step and, where no steps are counted (step 0),
    by the seconds elapsed.
    """

    metrics: Mapping[str, float]
    step: int = 0
    elapsed_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """For how long a trial is a client's without a sign of life.

    `seconds` is the whole length; `left` of them were left by the database's clock when the trial was read, and end at
    `expiry`, in seconds since the epoch.
    """

    seconds: float
    expiry: float = 0.0
    left: float = 0.0

    def renewed(self) -> Lease:
        """The same lease, begun anew."""
        return Lease(self.seconds, self.expiry - self.left + self.seconds, self.seconds)


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation; times are seconds since the epoch, `client_id` is empty while nobody holds it.

    `attempt` counts how often it was handed out, `lost_attempts` those of them whose worker was lost, the last one
    being `lost_client_id`; `checkpoint` is what the worker named as the place to go on from, `last_step` the last step
    that earlier attempts reported, where somebody has to know.
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a succeeded trial stands among the others: its value of the first metric, and its number."""

    objective: float
    number: int


def joined(attempts: Sequence[Sequence[Measurement]]) -> list[Measurement]:
    """The one curve that the attempts of a trial make, in the order of the steps.

    An attempt goes on from a checkpoint or begins anew: its first step tells where, and what earlier attempts measured
    from there on does not count.

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
    """The measurement that a completed trial is judged by: the given one, else one of those measured.

    Args:
        spec: the study's.
        given: what came with the completion.
        measured: the trial's measurements in order.

    Raises:
        FailedPrecondition: there is none at all.
    """
    if given is not None and given.metrics:
        return _in_study_order(spec, given)
    if not measured:
        raise FailedPrecondition("the trial has no measurement; complete it with a finalMeasurement or as infeasible")
    if spec.selection is Selection.BEST:
        return _in_study_order(spec, max(measured, key=lambda one: _merit(spec, one)))
    return _in_study_order(spec, measured[-1])


def infeasibility(spec: StudySpec, measurement: Measurement) -> str:
    """Why `measurement` cannot stand as a result; empty if it can."""
    for metric in spec.metrics:
        value = measurement.metrics.get(metric.id)
        if value is None:
            found = ", ".join(map(repr, measurement.metrics)) or "no metric"
            return f"the final measurement lacks the metric {metric.id!r}; it has {found}"
        if not math.isfinite(value):
            return f"the final value of the metric {metric.id!r} is {value!r}"
    return ""


def _merit(spec: StudySpec, measurement: Measurement) -> tuple[bool, float]:
    """What ranks the measurements of a trial, the best having the most: first of all, those that can stand."""
    value = measurement.metrics.get(spec.objective.id, math.nan)
    if math.isnan(value):
        return False, -math.inf
    return not infeasibility(spec, measurement), value if spec.objective.goal is Goal.MAXIMIZE else -value


def _in_study_order(spec: StudySpec, measurement: Measurement) -> Measurement:
    """The same with the study's metrics first: some clients rank trials by whichever metric stands first."""
    names = [metric.id for metric in spec.metrics if metric.id in measurement.metrics]
    names += [name for name in measurement.metrics if name not in names]
    ordered = {name: measurement.metrics[name] for name in names}
    return Measurement(ordered, measurement.step, measurement.elapsed_seconds)
