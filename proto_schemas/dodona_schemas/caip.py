"""AI Platform v1 dialect, called `ml` by Google, which tensorflow-cloud's tuner uses.

It has the same studies and trials as `vertex`, with other names and states; common parts come from there.
Fields that are `own` are not part of AI Platform's protocol; other clients ignore them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dodona_schemas.base import Double, Duration, Flag, Int32, Int64, Repeated, Timestamp, WireEnum, WireModel, own
from dodona_schemas.vertex import (
    CategoricalValueCondition,
    CategoricalValueSpec,
    DiscreteValueCondition,
    DiscreteValueSpec,
    DoubleValueSpec,
    GoalType,
    IntegerValueSpec,
    IntValueCondition,
    ScaleType,
    StudyState,
    StudyStoppingConfig,
)


class MlTrialState(WireEnum):
    """State of a trial."""

    STATE_UNSPECIFIED = 0
    REQUESTED = 1
    ACTIVE = 2
    COMPLETED = 3
    STOPPING = 4
    # Dodona's own: AI Platform shows such trials as COMPLETED, without the finalMeasurement that its clients expect.
    INFEASIBLE = 5


class MlAlgorithm(WireEnum):
    """Search algorithm; unspecified means the server's default."""

    ALGORITHM_UNSPECIFIED = 0
    GAUSSIAN_PROCESS_BANDIT = 1
    GRID_SEARCH = 2
    RANDOM_SEARCH = 3


class MlParameterType(WireEnum):
    """Kind of a parameter; its value spec says the same."""

    PARAMETER_TYPE_UNSPECIFIED = 0
    DOUBLE = 1
    INTEGER = 2
    CATEGORICAL = 3
    DISCRETE = 4


# --- the study's configuration


class MlMetricSpec(WireModel):
    """A metric to optimize."""

    metric: str = ""
    goal: GoalType = GoalType.GOAL_TYPE_UNSPECIFIED


class MlParameterSpec(WireModel):
    """A parameter with one of the four value specs; a child names the parent's values that activate it."""

    parameter: str = ""
    type: MlParameterType = MlParameterType.PARAMETER_TYPE_UNSPECIFIED
    double_value_spec: DoubleValueSpec | None = None
    integer_value_spec: IntegerValueSpec | None = None
    categorical_value_spec: CategoricalValueSpec | None = None
    discrete_value_spec: DiscreteValueSpec | None = None
    scale_type: ScaleType = ScaleType.SCALE_TYPE_UNSPECIFIED
    parent_discrete_values: DiscreteValueCondition | None = None
    parent_int_values: IntValueCondition | None = None
    parent_categorical_values: CategoricalValueCondition | None = None
    child_parameter_specs: Repeated[MlParameterSpec] = []


class MlDecayCurveStoppingConfig(WireModel):
    """Early stopping by the predicted end of a trial's curve."""

    use_elapsed_time: Flag = False


class MlMedianStoppingConfig(WireModel):
    """Early stopping of a trial that is below the median of the others."""

    use_elapsed_time: Flag = False


class MlAutomatedStoppingConfig(WireModel):
    """Rule for stopping trials early, one of the two."""

    decay_curve_stopping_config: MlDecayCurveStoppingConfig | None = None
    median_automated_stopping_config: MlMedianStoppingConfig | None = None


class MlStudyConfig(WireModel):
    """Search space, metrics, and settings of the search."""

    metrics: Repeated[MlMetricSpec] = []
    parameters: Repeated[MlParameterSpec] = []
    algorithm: MlAlgorithm = MlAlgorithm.ALGORITHM_UNSPECIFIED
    automated_stopping_config: MlAutomatedStoppingConfig | None = None
    study_stopping_config: StudyStoppingConfig | None = own("the budget, as in Vertex's dialect")


class MlStudy(WireModel):
    """A study: a search over one space, shared by any number of workers."""

    name: str | None = None
    study_config: MlStudyConfig = MlStudyConfig()
    state: StudyState | None = None
    create_time: Timestamp | None = None
    inactive_reason: str | None = None


# --- trials


class MlTrialParameter(WireModel):
    """A parameter's value in a trial; exactly one of the three is set."""

    parameter: str = ""
    float_value: Double | None = None
    int_value: Int64 | None = None
    string_value: str | None = None


class MlMetric(WireModel):
    """A metric's value in a measurement; an absent value is 0."""

    metric: str = ""
    value: Double = 0.0


class MlMeasurement(WireModel):
    """Metrics at one step of a trial."""

    elapsed_time: Duration | None = None
    step_count: Int64 = 0
    metrics: Repeated[MlMetric] = []


class MlTrial(WireModel):
    """One evaluation: the parameters that a client runs, and its measurements."""

    name: str | None = None
    state: MlTrialState | None = None
    parameters: Repeated[MlTrialParameter] = []
    final_measurement: MlMeasurement | None = None
    measurements: list[MlMeasurement] | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    client_id: str | None = None
    trial_infeasible: Flag = False
    infeasible_reason: str | None = None
    id: str | None = own("the last part of the name")


# --- the bodies of the calls


class MlListStudiesResponse(WireModel):
    """All studies of a location."""

    studies: Repeated[MlStudy] = []


class MlListTrialsResponse(WireModel):
    """All trials of a study."""

    trials: Repeated[MlTrial] = []


class MlListOptimalTrialsResponse(WireModel):
    """Best trials, or the Pareto front if there are several metrics."""

    trials: Repeated[MlTrial] = []


class MlSuggestTrialsRequest(WireModel):
    """A request for trials to run."""

    suggestion_count: Int32 = 0
    client_id: str = ""


class MlAddTrialMeasurementRequest(WireModel):
    """A measurement to report."""

    measurement: MlMeasurement = MlMeasurement()


class MlCompleteTrialRequest(WireModel):
    """End of a trial."""

    final_measurement: MlMeasurement | None = None
    trial_infeasible: Flag = False
    infeasible_reason: str | None = None


class MlSuggestTrialsMetadata(WireModel):
    """Client and time of the request."""

    type_: Literal["type.googleapis.com/google.cloud.ml.v1.SuggestTrialsMetadata"] = Field(
        default="type.googleapis.com/google.cloud.ml.v1.SuggestTrialsMetadata", alias="@type"
    )
    study: str = ""
    create_time: Timestamp
    client_id: str = ""
    suggestion_count: Int32 = 0


class MlSuggestTrialsResponse(WireModel):
    """Trials to run; no trials and `study_state` COMPLETED mean that the study has nothing left to suggest."""

    type_: Literal["type.googleapis.com/google.cloud.ml.v1.SuggestTrialsResponse"] = Field(
        default="type.googleapis.com/google.cloud.ml.v1.SuggestTrialsResponse", alias="@type"
    )
    trials: Repeated[MlTrial] = []
    study_state: StudyState = StudyState.STATE_UNSPECIFIED
    start_time: Timestamp
    end_time: Timestamp


class MlCheckTrialEarlyStoppingStateMetadata(WireModel):
    """Trial of the request. The name on the wire is misspelled in the protocol."""

    type_: Literal["type.googleapis.com/google.cloud.ml.v1.CheckTrialEarlyStoppingStateMetatdata"] = Field(
        default="type.googleapis.com/google.cloud.ml.v1.CheckTrialEarlyStoppingStateMetatdata", alias="@type"
    )
    study: str = ""
    trial: str = ""
    create_time: Timestamp


class MlCheckTrialEarlyStoppingStateResponse(WireModel):
    """Decision on whether the trial should stop early."""

    type_: Literal["type.googleapis.com/google.cloud.ml.v1.CheckTrialEarlyStoppingStateResponse"] = Field(
        default="type.googleapis.com/google.cloud.ml.v1.CheckTrialEarlyStoppingStateResponse", alias="@type"
    )
    should_stop: Flag = False
    start_time: Timestamp
    end_time: Timestamp


class MlOperation(WireModel):
    """A call to suggest or to check a trial. Dodona completes operations within the call: they are always done."""

    name: str = ""
    done: Flag = False
    metadata: MlSuggestTrialsMetadata | MlCheckTrialEarlyStoppingStateMetadata | None = None
    response: MlSuggestTrialsResponse | MlCheckTrialEarlyStoppingStateResponse | None = None
