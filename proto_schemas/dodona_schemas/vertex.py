"""The Vertex AI Vizier v1 dialect: studies, trials, operations and the bodies of the calls.

Fields under "Dodona's own" are not part of Vertex's protocol; other clients ignore them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from dodona_schemas.base import Double, Duration, Flag, Int32, Int64, Number, Timestamp, WireEnum, WireModel


class StudyState(WireEnum):
    """ACTIVE studies hand out trials; INACTIVE ones are paused; COMPLETED ones have nothing left to hand out."""

    STATE_UNSPECIFIED = 0
    ACTIVE = 1
    INACTIVE = 2
    COMPLETED = 3


class TrialState(WireEnum):
    """Where a trial stands; SUCCEEDED and INFEASIBLE are final."""

    STATE_UNSPECIFIED = 0
    REQUESTED = 1
    ACTIVE = 2
    STOPPING = 3
    SUCCEEDED = 4
    INFEASIBLE = 5


class GoalType(WireEnum):
    """The direction of a metric; unspecified means MAXIMIZE."""

    GOAL_TYPE_UNSPECIFIED = 0
    MAXIMIZE = 1
    MINIMIZE = 2


class ScaleType(WireEnum):
    """How the values of a parameter are spread; unspecified means linear."""

    SCALE_TYPE_UNSPECIFIED = 0
    UNIT_LINEAR_SCALE = 1
    UNIT_LOG_SCALE = 2
    UNIT_REVERSE_LOG_SCALE = 3


class Algorithm(WireEnum):
    """The search algorithm; unspecified means the server's best. Those from 100 on are Dodona's own."""

    ALGORITHM_UNSPECIFIED = 0
    GRID_SEARCH = 2
    RANDOM_SEARCH = 3
    GP_BANDIT = 100
    QUASI_RANDOM_SEARCH = 101
    SHUFFLED_GRID_SEARCH = 102
    TPE = 103
    CMA_ES = 104
    REGULARIZED_EVOLUTION = 105
    NSGA2 = 106
    HYPERBAND = 107
    SKOPT_GP = 108
    SKOPT_FOREST = 109
    SKOPT_GBRT = 110


class ObservationNoise(WireEnum):
    """How much two measurements of the same parameters may differ."""

    OBSERVATION_NOISE_UNSPECIFIED = 0
    LOW = 1
    HIGH = 2


class MeasurementSelectionType(WireEnum):
    """Which measurement becomes final when a trial is completed without one; unspecified means the last."""

    MEASUREMENT_SELECTION_TYPE_UNSPECIFIED = 0
    LAST_MEASUREMENT = 1
    BEST_MEASUREMENT = 2


MAX_CHECKPOINT_LENGTH = 4096

# What a client calls one of its requests, so that it is done once however often it is sent.
RequestId = Annotated[str, Field(max_length=128)]


# --- the study's specification


class SafetyMetricConfig(WireModel):
    """Makes a metric a safety constraint."""

    safety_threshold: Double = 0.0
    desired_min_safe_trials_fraction: Double | None = None


class MetricSpec(WireModel):
    """A metric to optimize."""

    metric_id: str = ""
    goal: GoalType = GoalType.GOAL_TYPE_UNSPECIFIED
    safety_config: SafetyMetricConfig | None = None


class DoubleValueSpec(WireModel):
    """A real interval, both ends included."""

    min_value: Double = 0.0
    max_value: Double = 0.0
    default_value: Double | None = None


class IntegerValueSpec(WireModel):
    """A range of integers, both ends included."""

    min_value: Int64 = 0
    max_value: Int64 = 0
    default_value: Int64 | None = None


class CategoricalValueSpec(WireModel):
    """A set of names."""

    values: list[str] = []
    default_value: str | None = None


class DiscreteValueSpec(WireModel):
    """A set of numbers."""

    values: list[Number] = []
    default_value: Number | None = None


class DiscreteValueCondition(WireModel):
    """The parent's values under which a child of a discrete parameter is active."""

    values: list[Number] = []


class IntValueCondition(WireModel):
    """The parent's values under which a child of an integer parameter is active."""

    values: list[Int64] = []


class CategoricalValueCondition(WireModel):
    """The parent's values under which a child of a categorical parameter is active."""

    values: list[str] = []


class ConditionalParameterSpec(WireModel):
    """A child parameter with the condition on its parent; exactly one condition is set."""

    parameter_spec: ParameterSpec
    parent_discrete_values: DiscreteValueCondition | None = None
    parent_int_values: IntValueCondition | None = None
    parent_categorical_values: CategoricalValueCondition | None = None


class ParameterSpec(WireModel):
    """A parameter; exactly one of the four value specs is set and tells its kind."""

    parameter_id: str = ""
    double_value_spec: DoubleValueSpec | None = None
    integer_value_spec: IntegerValueSpec | None = None
    categorical_value_spec: CategoricalValueSpec | None = None
    discrete_value_spec: DiscreteValueSpec | None = None
    scale_type: ScaleType = ScaleType.SCALE_TYPE_UNSPECIFIED
    conditional_parameter_specs: list[ConditionalParameterSpec] = []
    # Dodona's own: what the client wants to remember of the parameter, such as its type in the user's program.
    metadata: dict[str, str] = {}


class StudyTimeConstraint(WireModel):
    """A length of time or a moment, one of the two."""

    max_duration: Duration | None = None
    end_time: Timestamp | None = None


class StudyStoppingConfig(WireModel):
    """The budget of a study."""

    should_stop_asap: Flag | None = None
    minimum_runtime_constraint: StudyTimeConstraint | None = None
    maximum_runtime_constraint: StudyTimeConstraint | None = None
    min_num_trials: Int32 | None = None
    max_num_trials: Int32 | None = None
    max_num_trials_no_progress: Int32 | None = None
    max_duration_no_progress: Duration | None = None
    # Dodona's own: how many trials may be infeasible.
    max_failed_trials: Int32 | None = None


class DecayCurveAutomatedStoppingSpec(WireModel):
    """Early stopping by the predicted end of a trial's curve."""

    use_elapsed_duration: Flag = False


class MedianAutomatedStoppingSpec(WireModel):
    """Early stopping of a trial that is below the median of the others."""

    use_elapsed_duration: Flag = False


class ConvexAutomatedStoppingSpec(WireModel):
    """Early stopping by a convex model of a trial's curve."""

    max_step_count: Int64 | None = None
    min_step_count: Int64 | None = None
    min_measurement_count: Int64 | None = None
    learning_rate_parameter_name: str | None = None
    use_elapsed_duration: Flag = False
    update_all_stopped_trials: Flag | None = None


class StudySpec(WireModel):
    """What is searched, for what, and how."""

    metrics: list[MetricSpec] = []
    parameters: list[ParameterSpec] = []
    algorithm: Algorithm = Algorithm.ALGORITHM_UNSPECIFIED
    observation_noise: ObservationNoise = ObservationNoise.OBSERVATION_NOISE_UNSPECIFIED
    measurement_selection_type: MeasurementSelectionType = (
        MeasurementSelectionType.MEASUREMENT_SELECTION_TYPE_UNSPECIFIED
    )
    study_stopping_config: StudyStoppingConfig | None = None
    decay_curve_stopping_spec: DecayCurveAutomatedStoppingSpec | None = None
    median_automated_stopping_spec: MedianAutomatedStoppingSpec | None = None
    convex_automated_stopping_spec: ConvexAutomatedStoppingSpec | None = None
    # Dodona's own: the seed of all suggestions; the server draws one if it is not given.
    seed: Int64 | None = None
    # Dodona's own: the algorithm's options by name.
    algorithm_options: dict[str, bool | int | float | str] = {}
    # Dodona's own: the names of earlier studies to learn from.
    prior_studies: list[str] = []
    # Dodona's own: a trial whose worker was lost that many times is infeasible; 3, if it is left out.
    max_attempts: Int32 | None = None


class Study(WireModel):
    """A study: a search over one space, shared by any number of workers."""

    name: str | None = None
    display_name: str = ""
    study_spec: StudySpec = StudySpec()
    state: StudyState | None = None
    create_time: Timestamp | None = None
    inactive_reason: str | None = None
    # Dodona's own: the last part of the name, if the client wants to choose it; the server draws one otherwise.
    study_id: str | None = None
    # Dodona's own: what the client wants to remember of the study.
    metadata: dict[str, str] = {}


class CreateStudyRequest(Study):
    """A study to create."""

    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


# --- trials


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
    metrics: list[Metric] = []


class Trial(WireModel):
    """One evaluation: parameters handed to a client and what it measured."""

    name: str | None = None
    id: str | None = None
    state: TrialState | None = None
    parameters: list[TrialParameter] = []
    final_measurement: Measurement | None = None
    measurements: list[Measurement] | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    client_id: str | None = None
    infeasible_reason: str | None = None
    # Dodona's own: how many times the trial was handed out.
    attempt: Int32 | None = None
    # Dodona's own: what the client wants to remember of the trial.
    metadata: dict[str, str] = {}
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
    parameters: list[TrialParameter] = []


# --- the bodies of the calls


class ListStudiesResponse(WireModel):
    """A page of studies."""

    studies: list[Study] = []
    next_page_token: str = ""


class LookupStudyRequest(WireModel):
    """Finds a study by the name people gave it."""

    display_name: str = ""


class AddParametersRequest(WireModel):
    """Dodona's own: parameters by which a study's search space grows."""

    parameters: list[ParameterSpec] = []
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class UpdateMetadataRequest(WireModel):
    """Dodona's own: entries to set; an empty value removes one."""

    metadata: dict[str, str] = {}
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class SetMaxTrialsRequest(WireModel):
    """Dodona's own: gives the study another budget of trials."""

    max_num_trials: Int32
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class PauseStudyRequest(WireModel):
    """Dodona's own: no trials are handed out until the study is resumed."""

    reason: str = Field(default="", max_length=10_000)
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class Event(WireModel):
    """Dodona's own: something that has happened in a study; `number` counts from 1 on without gaps."""

    number: Int64
    kind: str
    time: datetime
    trial: str | None = None
    detail: str = ""


class ListEventsResponse(WireModel):
    """Dodona's own: events in order; ask again with `after` set to the last number."""

    events: list[Event] = []


class TrialReport(WireModel):
    """A measurement of one of a study's trials."""

    trial: str = ""
    measurement: Measurement = Measurement()
    attempt: Int32 | None = None
    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)


class ReportTrialsRequest(WireModel):
    """Dodona's own: several measurements in one call, all of them kept or none."""

    reports: list[TrialReport] = []
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class ReportTrialsResponse(WireModel):
    """Dodona's own: the trial of each report; the state STOPPING says «stop early»."""

    trials: list[Trial] = []


class SuggestTrialsRequest(WireModel):
    """Asks for trials to run."""

    suggestion_count: Int32 = 0
    client_id: str = ""
    contexts: list[TrialContext] = []
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


class AddTrialMeasurementRequest(WireModel):
    """Reports a measurement."""

    measurement: Measurement = Measurement()
    # Dodona's own: which attempt the worker runs, and the place from which the trial can go on.
    attempt: Int32 | None = None
    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class CompleteTrialRequest(WireModel):
    """Ends a trial."""

    final_measurement: Measurement | None = None
    trial_infeasible: Flag = False
    infeasible_reason: str | None = None
    # Dodona's own: which attempt the worker ran.
    attempt: Int32 | None = None
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class HeartbeatTrialRequest(WireModel):
    """Dodona's own: a sign of life, by which the trial's lease begins anew."""

    attempt: Int32 | None = None
    checkpoint: str | None = Field(default=None, max_length=MAX_CHECKPOINT_LENGTH)
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class ReleaseTrialRequest(WireModel):
    """Dodona's own: hands a trial back, to be run by another worker."""

    attempt: Int32 | None = None
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class EmptyRequest(WireModel):
    """A call without arguments of Vertex's."""

    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class Empty(WireModel):
    """An answer without content."""


class ListTrialsResponse(WireModel):
    """A page of trials."""

    trials: list[Trial] = []
    next_page_token: str = ""


class ListOptimalTrialsResponse(WireModel):
    """The best trials: the Pareto front, if there are several metrics."""

    optimal_trials: list[Trial] = []
    # Dodona's own, with several metrics: how much the front dominates of the space up to the reference point, which is
    # the worst value that any trial has had of each metric; absent with over four metrics or very large fronts.
    hypervolume: Double | None = None
    reference_point: list[Metric] | None = None


class GenericOperationMetadata(WireModel):
    """When an operation began and last changed."""

    create_time: datetime
    update_time: datetime


class SuggestTrialsMetadata(WireModel):
    """Who asked for the trials."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsMetadata"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsMetadata", alias="@type"
    )
    generic_metadata: GenericOperationMetadata
    client_id: str = ""


class SuggestTrialsResponse(WireModel):
    """The trials to run; none, and `study_state` COMPLETED, when the study has nothing left to hand out."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsResponse"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsResponse", alias="@type"
    )
    trials: list[Trial] = []
    study_state: StudyState = StudyState.STATE_UNSPECIFIED
    start_time: datetime | None = None
    end_time: datetime | None = None


class Operation(WireModel):
    """A call to suggest. Dodona's operations are finished inside the call, so they always come back done."""

    name: str = ""
    done: bool = False
    metadata: SuggestTrialsMetadata | None = None
    response: SuggestTrialsResponse | None = None


class CheckTrialEarlyStoppingStateMetadata(WireModel):
    """Which trial was asked about. The name on the wire is misspelt: that is part of the protocol."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateMetatdata"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateMetatdata", alias="@type"
    )
    generic_metadata: GenericOperationMetadata
    study: str = ""
    trial: str = ""


class CheckTrialEarlyStoppingStateResponse(WireModel):
    """Whether the trial should stop early."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateResponse"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateResponse", alias="@type"
    )
    should_stop: bool = False


class EarlyStoppingOperation(WireModel):
    """A call to check a trial's early stopping state; always done."""

    name: str = ""
    done: bool = False
    metadata: CheckTrialEarlyStoppingStateMetadata | None = None
    response: CheckTrialEarlyStoppingStateResponse | None = None


class ListOperationsResponse(WireModel):
    """A page of operations."""

    operations: list[Operation] = []
    next_page_token: str = ""
