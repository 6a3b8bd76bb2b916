"""Bodies of the calls about trials."""

from __future__ import annotations

from typing import Any

from dodona_schemas.base import Double, Duration, Flag, Int32, Repeated, WireModel, own
from dodona_schemas.vertex.fields import MAX_CHECKPOINT_LENGTH, own_request_id
from dodona_schemas.vertex.trial import Measurement, Metric, Trial, TrialContext, TrialParameter


class OfAttempt(WireModel):
    """Attempt at the trial that the caller runs, and the client id that it got the trial with.

    The client id distinguishes the trials of a deleted study from those of a new study with the same name.
    """

    attempt: Int32 | None = own("the attempt that the caller runs; 409 if the trial was handed on since")
    client_id: str | None = own("the client id that the caller got the trial with")


class TrialReport(OfAttempt):
    """A measurement of one of a study's trials."""

    trial: str = ""
    measurement: Measurement = Measurement()
    checkpoint: str | None = own("where the next attempt can resume", max_length=MAX_CHECKPOINT_LENGTH)
    execution: Int32 | None = own("which training of the trial it is of, from 0 on; stopping rules judge the first")


class ReportTrialsRequest(WireModel):
    """Several measurements in one call, all of them kept or none."""

    reports: Repeated[TrialReport] = []
    request_id: str | None = own_request_id()


class ReportTrialsResponse(WireModel):
    """Trial of each report; the state STOPPING asks for an early stop."""

    trials: Repeated[Trial] = []


class SuggestTrialsRequest(WireModel):
    """A request for trials to run."""

    suggestion_count: Int32 = 0
    client_id: str = ""
    contexts: Repeated[TrialContext] = []
    request_id: str | None = own_request_id()
    wait: Duration | None = own("how long to wait, up to 30 s, if there is no trial now but may be one later")
    lease_duration: Duration | None = own(
        "how long the client keeps the trials without a heartbeat; without it, there is no limit"
    )
    agent: str | None = own('the client\'s software and machine, for people: "dodona/0.1.0 python/3.12.3 gpu-host"')
    gpus: Double | None = own("how many GPUs the client has, for budgets of compute; 0.25 for a quarter of one")
    held_trials: list[str] | None = own(
        "the numbers of the client's trials that it still runs; its other trials come back as new attempts. Without "
        "this field all come back as they are"
    )
    follow: bool | None = own(
        "whether another process asks for trials as this client: the answer has that client's unfinished trials as "
        "they are, and none is handed out for this call"
    )


class CreateTrialRequest(Trial):
    """A trial to queue, or a finished one."""

    request_id: str | None = own_request_id()


class AddTrialMeasurementRequest(OfAttempt):
    """A measurement to report."""

    measurement: Measurement = Measurement()
    checkpoint: str | None = own("where the next attempt can resume", max_length=MAX_CHECKPOINT_LENGTH)
    execution: Int32 | None = own("which training of the trial it is of, from 0 on; stopping rules judge the first")
    request_id: str | None = own_request_id()


class CompleteTrialRequest(OfAttempt):
    """End of a trial."""

    final_measurement: Measurement | None = None
    trial_infeasible: Flag = False
    infeasible_reason: str | None = None
    parameters: list[TrialParameter] | None = own(
        "all values that the trial actually used, which become its parameters"
    )
    whole: Flag | None = own("whether the training had reached its end when it was asked to stop")
    request_id: str | None = own_request_id()


class HeartbeatTrialRequest(OfAttempt):
    """A heartbeat, which renews the trial's lease."""

    checkpoint: str | None = own("where the next attempt can resume", max_length=MAX_CHECKPOINT_LENGTH)
    request_id: str | None = own_request_id()


class ReleaseTrialRequest(OfAttempt):
    """Releases a trial for another worker."""

    request_id: str | None = own_request_id()


class ListTrialsResponse(WireModel):
    """A page of trials."""

    trials: Repeated[Trial] = []
    next_page_token: str = ""


class ListOptimalTrialsResponse(WireModel):
    """Best trials, or the Pareto front if there are several metrics."""

    optimal_trials: Repeated[Trial] = []
    hypervolume: Double | None = own(
        "with several metrics, the volume that the front dominates up to the reference point; absent with more than "
        "4 metrics or very large fronts"
    )
    reference_point: list[Metric] | None = own("with several metrics, the worst value of each in any trial")


class ExpectedMetric(WireModel):
    """Result that the algorithm's model expected; with `probability` it is from `low` to `high`."""

    metric_id: str = ""
    mean: Double = 0.0
    low: Double = 0.0
    high: Double = 0.0
    probability: Double = 0.0


class ParameterDifference(WireModel):
    """A parameter with another value than in the best trial.

    `kept` is the part of the acquisition function that would be left with the best trial's value, from 0 to 1; absent
    if the algorithm does not tell. The parameter `matters` if this is much less than 1.
    """

    parameter_id: str = ""
    value: Any = None
    best_value: Any = None
    kept: Double | None = None
    matters: Flag = False


class ExplainTrialResponse(WireModel):
    """Explanation of a trial: why it was suggested, and its result.

    `summary` says all of it in plain words. `exploring` is the part of the acquisition function that comes from not
    knowing, from 0 to 1. `best_trial` is the best one when this one was suggested. `prior_studies` is the part of the
    expectation that comes from earlier studies, from 0 to 1. `hints` is the factor by which hints change the
    acquisition function at the trial. Of the study's latest trials, `expected_trial_count` had an expectation and have
    a result, and `met_trial_count` of these results were in their interval.
    """

    summary: str = ""
    reason: str = ""
    expected: ExpectedMetric | None = None
    measured: Double | None = None
    exploring: Double | None = None
    best_trial: str = ""
    differences: Repeated[ParameterDifference] = []
    prior_studies: Double | None = None
    hints: Double | None = None
    expected_trial_count: Int32 = 0
    met_trial_count: Int32 = 0
