"""The bodies of the calls about trials."""

from __future__ import annotations

from pydantic import Field

from dodona_schemas.base import Double, Duration, Flag, Int32, Repeated, WireModel
from dodona_schemas.vertex.fields import MAX_CHECKPOINT_LENGTH, RequestId
from dodona_schemas.vertex.trial import Measurement, Metric, Trial, TrialContext, TrialParameter


class OfAttempt(WireModel):
    """Dodona's own: which attempt at the trial the caller runs, and the id under which it was given it.

    The id tells apart the trials of two studies, the first of which was deleted.
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
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class ReportTrialsResponse(WireModel):
    """Dodona's own: the trial of each report; the state STOPPING says «stop early»."""

    trials: Repeated[Trial] = []


class SuggestTrialsRequest(WireModel):
    """Asks for trials to run."""

    suggestion_count: Int32 = 0
    client_id: str = ""
    contexts: Repeated[TrialContext] = []
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None
    # Dodona's own: how long to wait for a trial while there is none but may be one later, up to 30 s.
    wait: Duration | None = None
    # Dodona's own: how long the client has the trials without a sign of life; left out, it has them for ever.
    lease_duration: Duration | None = None
    # Dodona's own: the numbers of the client's trials that it runs. Others that are its own it has lost, and they come
    # back as new attempts; left out, its own trials come back as they are.
    held_trials: list[str] | None = None


class CreateTrialRequest(Trial):
    """A trial to queue, or one that is done already."""

    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class AddTrialMeasurementRequest(OfAttempt):
    """Reports a measurement."""

    measurement: Measurement = Measurement()
    # Dodona's own: the place from which the trial can go on.
    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class CompleteTrialRequest(OfAttempt):
    """Ends a trial."""

    final_measurement: Measurement | None = None
    trial_infeasible: Flag = False
    infeasible_reason: str | None = None
    # Dodona's own: the values that the trial turned out to use, all of them, which become its parameters.
    parameters: list[TrialParameter] | None = None
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class HeartbeatTrialRequest(OfAttempt):
    """Dodona's own: a sign of life, by which the trial's lease begins anew."""

    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class ReleaseTrialRequest(OfAttempt):
    """Dodona's own: hands a trial back, to be run by another worker."""

    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class ListTrialsResponse(WireModel):
    """A page of trials."""

    trials: Repeated[Trial] = []
    next_page_token: str = ""


class ListOptimalTrialsResponse(WireModel):
    """The best trials: the Pareto front, if there are several metrics."""

    optimal_trials: Repeated[Trial] = []
    # Dodona's own, with several metrics: how much the front dominates of the space up to the reference point, which is
    # the worst value that any trial has had of each metric; absent with over four metrics or very large fronts.
    hypervolume: Double | None = None
    reference_point: list[Metric] | None = None
