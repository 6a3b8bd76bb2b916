"""Studies and their specifications."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from dodona_schemas.base import (
    Double,
    Flag,
    Int32,
    Int64,
    OptionMap,
    Repeated,
    TextMap,
    Timestamp,
    WireEnum,
    WireModel,
    enums_as_numbers,
    own,
    write_enum,
)
from dodona_schemas.vertex.parameters import ParameterSpec
from dodona_schemas.vertex.stopping import (
    AshaStoppingSpec,
    AutomaticStoppingSpec,
    ConvexAutomatedStoppingSpec,
    ConvexStopConfig,
    DecayCurveAutomatedStoppingSpec,
    MedianAutomatedStoppingSpec,
    NoProgressStoppingSpec,
    StudyStoppingConfig,
)


class StudyState(WireEnum):
    """ACTIVE studies suggest trials; INACTIVE ones are paused; COMPLETED ones have nothing left to suggest."""

    STATE_UNSPECIFIED = 0
    ACTIVE = 1
    INACTIVE = 2
    COMPLETED = 3


class GoalType(WireEnum):
    """Direction of a metric; unspecified means MAXIMIZE."""

    GOAL_TYPE_UNSPECIFIED = 0
    MAXIMIZE = 1
    MINIMIZE = 2


class Algorithm(WireEnum):
    """Search algorithm; unspecified means the server's default. Numbers from 100 on are Dodona's own."""

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
    SUCCESSIVE_HALVING = 111
    ASHA = 112
    PBT = 113
    FREEZE_THAW = 114


class RegisteredAlgorithm(str):
    """Name of an algorithm that another package registers with the server."""

    __slots__ = ()

    PATTERN: ClassVar = r"^[A-Z][A-Z0-9_]{0,63}$"

    @property
    def name(self) -> str:
        """Name, like those of the members of `Algorithm`."""
        return str(self)


def parse_algorithm(value: Any) -> Algorithm | RegisteredAlgorithm:
    """Return the algorithm of that name or number. Only the server knows which names are registered.

    Raises:
        ValueError: there is no such number, or the name is not of capital letters, digits and underscores.
    """
    if isinstance(value, str) and value not in Algorithm.__members__ and re.match(RegisteredAlgorithm.PATTERN, value):
        return RegisteredAlgorithm(value)
    return Algorithm.parse(value)


class _OpenEnum:
    """Reads and writes an algorithm: a member of the enum, or a registered name, which has no number."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            parse_algorithm,
            serialization=core_schema.plain_serializer_function_ser_schema(_write_algorithm, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        closed = Algorithm.__get_pydantic_json_schema__(schema, handler)
        registered = {"type": "string", "pattern": RegisteredAlgorithm.PATTERN}
        return {"anyOf": [*closed.get("anyOf", [closed]), registered]}


def _write_algorithm(algorithm: Algorithm | RegisteredAlgorithm, info: SerializationInfo) -> str | int:
    if isinstance(algorithm, Algorithm):
        return write_enum(algorithm, info)
    return int(Algorithm.ALGORITHM_UNSPECIFIED) if enums_as_numbers(info) else algorithm.name


AnyAlgorithm = Annotated[Algorithm | RegisteredAlgorithm, _OpenEnum]


class ObservationNoise(WireEnum):
    """Noise of measurements: how much two of the same parameters may differ."""

    OBSERVATION_NOISE_UNSPECIFIED = 0
    LOW = 1
    HIGH = 2


# What `prior_studies` may be besides a list.
AUTO: Literal["auto"] = "auto"
OFF: Literal["off"] = "off"


class _NamesOrWord:
    """Reads names of studies up to the first wrong one, or a word that stands for some."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            _read_names,
            core_schema.list_schema(core_schema.str_schema(), fail_fast=True),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda given: given),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string", "enum": [AUTO, OFF]}]}


def _read_names(given: Any, names: core_schema.ValidatorFunctionWrapHandler) -> Any:
    if isinstance(given, str) and given not in (AUTO, OFF):
        raise ValueError(f"{given!r} is not {AUTO!r}, {OFF!r} or a list of studies")
    return given if isinstance(given, str) else names(given)


PriorStudies = Annotated[list[str] | Literal["auto", "off"], _NamesOrWord]
"""Names of studies, "auto" or "off"."""


class MeasurementSelectionType(WireEnum):
    """Measurement that becomes final if a trial is completed without one; unspecified means the last."""

    MEASUREMENT_SELECTION_TYPE_UNSPECIFIED = 0
    LAST_MEASUREMENT = 1
    BEST_MEASUREMENT = 2


class SafetyMetricConfig(WireModel):
    """A safety constraint on a metric."""

    safety_threshold: Double = 0.0
    desired_min_safe_trials_fraction: Double | None = None


class MetricSpec(WireModel):
    """A metric to optimize."""

    metric_id: str = ""
    goal: GoalType = GoalType.GOAL_TYPE_UNSPECIFIED
    safety_config: SafetyMetricConfig | None = None


class TransferLearningConfig(WireModel):
    """Switch for learning from earlier studies, as in v1beta1: the server finds them unless that is disabled."""

    disable_transfer_learning: Flag = False
    prior_study_names: Repeated[str] = []


class StudySpec(WireModel):
    """Search space, metrics, and settings of the search."""

    metrics: Repeated[MetricSpec] = []
    parameters: Repeated[ParameterSpec] = []
    algorithm: AnyAlgorithm = Algorithm.ALGORITHM_UNSPECIFIED
    observation_noise: ObservationNoise = ObservationNoise.OBSERVATION_NOISE_UNSPECIFIED
    measurement_selection_type: MeasurementSelectionType = (
        MeasurementSelectionType.MEASUREMENT_SELECTION_TYPE_UNSPECIFIED
    )
    study_stopping_config: StudyStoppingConfig | None = None
    decay_curve_stopping_spec: DecayCurveAutomatedStoppingSpec | None = None
    median_automated_stopping_spec: MedianAutomatedStoppingSpec | None = None
    convex_automated_stopping_spec: ConvexAutomatedStoppingSpec | None = None
    convex_stop_config: ConvexStopConfig | None = None
    automatic_stopping_spec: AutomaticStoppingSpec | None = own("early stopping by the server's best rule")
    asha_stopping_spec: AshaStoppingSpec | None = own("early stopping by the rank at each rung")
    no_progress_stopping_spec: NoProgressStoppingSpec | None = own("early stopping of trials that no longer improve")
    seed: Int64 | None = own("the seed of all suggestions; without it the server draws one")
    algorithm_options: OptionMap = own("the options of the algorithm by name", {})
    transfer_learning_config: TransferLearningConfig | None = None
    prior_studies: PriorStudies = own(
        'the names of earlier studies to learn from; "auto" lets the server find them, "off" is an empty list', []
    )
    max_attempts: Int32 | None = own(
        "a trial becomes infeasible when this many attempts were lost; 3 if it is left out"
    )


class PriorStudy(WireModel):
    """An earlier study that a study learns from.

    `similarity` compares the parameters of both, from 0 to 1. `trial_count` is the number of results to learn from.
    Both are absent for a study of another project. `weight` is the part of the study's latest expectations that comes
    from the earlier one, from 0 to 1; it is absent before the first model.
    """

    name: str = ""
    similarity: Double | None = None
    trial_count: Int32 | None = None
    weight: Double | None = None


class Study(WireModel):
    """A study: a search over one space, shared by any number of workers."""

    name: str | None = None
    display_name: str = ""
    study_spec: StudySpec = StudySpec()
    state: StudyState | None = None
    create_time: Timestamp | None = None
    inactive_reason: str | None = None
    completion_reason: str | None = own("why the study was completed")
    study_id: str | None = own(
        "the last part of the name, if the client chooses it; otherwise the server draws a number"
    )
    metadata: TextMap = own("strings that the client stores with the study", {})
    archive_time: Timestamp | None = own("when it was archived; absent if it is not")
    wanted_workers: Int32 | None = own("how many workers people want it to have; absent if they leave it open")
    trial_count: Int64 | None = own("how many trials it has, without the deleted ones")
    prior_studies: list[PriorStudy] | None = own(
        "the earlier studies that it learns from, in an answer about this study alone"
    )
