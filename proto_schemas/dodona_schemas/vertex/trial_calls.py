"""The bodies of the calls about trials."""

from __future__ import annotations

from pydantic import Field

from dodona_schemas.base import Double, Duration, Flag, Int32, Repeated, WireModel
from dodona_schemas.vertex.fields import MAX_CHECKPOINT_LENGTH, RequestId
from dodona_schemas.vertex.trial import Measurement, Metric, Trial, TrialContext, TrialParameter


class OfAttempt(WireModel):
    """Dodona's own: the attempt at the trial that the caller runs, and the client id that it got the trial with.

    The client id distinguishes the trials of a deleted study from those of a new study with the same name.
    """

    attempt: Int32 | None = None
    client_id: str | None = None


class TrialReport(OfAttempt):
    """A measurement of one of a study's trials."""

    trial: str = ""
    measurement: Measurement = Measurement()
    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)


class ReportTrialsRequest(WireModel):
    """Dodona's own: several measurements in one call, all of them kept or none."""

    reports: Repeated[TrialReport] = []
    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class ReportTrialsResponse(WireModel):
    """Dodona's own: the trial of each report; the state STOPPING asks for an early stop."""

    trials: Repeated[Trial] = []


class SuggestTrialsRequest(WireModel):
    """A request for trials to run."""

    suggestion_count: Int32 = 0
    client_id: str = ""
    contexts: Repeated[TrialContext] = []
    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None
    # Dodona's own: how long to wait, up to 30 s, if there is no trial now but may be one later.
    wait: Duration | None = None
    # Dodona's own: how long the client keeps the trials without a heartbeat; without it, there is no limit.
    lease_duration: Duration | None = None
    # Dodona's own: the numbers of the client's trials that it still runs. Its other trials count as lost and come back
    # as new attempts. Without this field its trials come back as they are.
    held_trials: list[str] | None = None


class CreateTrialRequest(Trial):
    """A trial to queue, or a finished one."""

    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class AddTrialMeasurementRequest(OfAttempt):
    """A measurement to report."""

    measurement: Measurement = Measurement()
    # Dodona's own: where the next attempt can resume.
    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)
    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class CompleteTrialRequest(OfAttempt):
    """The end of a trial."""

    final_measurement: Measurement | None = None
    trial_infeasible: Flag = False
    infeasible_reason: str | None = None
    # Dodona's own: all values that the trial actually used, which become its parameters.
    parameters: list[TrialParameter] | None = None
    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class HeartbeatTrialRequest(OfAttempt):
    """Dodona's own: a heartbeat, which renews the trial's lease."""

    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)
    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class ReleaseTrialRequest(OfAttempt):
    """Dodona's own: releases a trial for another worker."""

    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class ListTrialsResponse(WireModel):
    """A page of trials."""

    trials: Repeated[Trial] = []
    next_page_token: str = ""


class ListOptimalTrialsResponse(WireModel):
    """The best trials, or the Pareto front if there are several metrics."""

    optimal_trials: Repeated[Trial] = []
    # Dodona's own, with several metrics: the volume that the front dominates up to the reference point, which has the
    # worst value of each metric in any trial. Absent with more than 4 metrics or very large fronts.
    hypervolume: Double | None = None
    reference_point: list[Metric] | None = None
