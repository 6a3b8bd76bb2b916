"""Study configurations of Vertex AI and of the older AI Platform, which tensorflow-cloud uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodona_schemas.caip import MlAlgorithm, MlParameterSpec, MlStudyConfig
from dodona_schemas.vertex import (
    Algorithm,
    ConditionalParameterSpec,
    DecayCurveAutomatedStoppingSpec,
    MedianAutomatedStoppingSpec,
    MetricSpec,
    ParameterSpec,
    StudySpec,
)

_STOPPING = {"automatedStoppingConfig", "automated_stopping_config"}
_VALUES = ("double_value_spec", "integer_value_spec", "categorical_value_spec", "discrete_value_spec", "scale_type")
_PARENTS = ("parent_discrete_values", "parent_int_values", "parent_categorical_values")


def read_study_config(config: Mapping[str, Any] | StudySpec) -> StudySpec:
    """Return the study's spec.

    Args:
        config: Vertex's StudySpec or AI Platform's StudyConfig, with names in camelCase or snake_case.

    Raises:
        ValueError: a field is not valid.
    """
    if isinstance(config, StudySpec) or not _is_old(config):
        return StudySpec.model_validate(config).model_copy(deep=True)
    old = MlStudyConfig.model_validate(config)
    spec = StudySpec(
        metrics=[MetricSpec(metric_id=metric.metric, goal=metric.goal) for metric in old.metrics],
        parameters=[_parameter(parameter) for parameter in old.parameters],
        algorithm=_algorithm(old.algorithm),
        study_stopping_config=old.study_stopping_config,
    )
    stopping = old.automated_stopping_config
    if stopping is not None and (decay := stopping.decay_curve_stopping_config) is not None:
        use_time = decay.use_elapsed_time
        spec.decay_curve_stopping_spec = DecayCurveAutomatedStoppingSpec(use_elapsed_duration=use_time)
    if stopping is not None and (median := stopping.median_automated_stopping_config) is not None:
        use_time = median.use_elapsed_time
        spec.median_automated_stopping_spec = MedianAutomatedStoppingSpec(use_elapsed_duration=use_time)
    return spec


def _is_old(config: Mapping[str, Any]) -> bool:
    named = [*(config.get("metrics") or ()), *(config.get("parameters") or ())]
    return (
        bool(_STOPPING & config.keys())
        or config.get("algorithm") == MlAlgorithm.GAUSSIAN_PROCESS_BANDIT.name
        or any(isinstance(one, Mapping) and one.keys() & {"metric", "parameter"} for one in named)
    )


def _algorithm(old: MlAlgorithm) -> Algorithm:
    return Algorithm.GP_BANDIT if old is MlAlgorithm.GAUSSIAN_PROCESS_BANDIT else Algorithm[old.name]


def _parameter(old: MlParameterSpec) -> ParameterSpec:
    children = [
        ConditionalParameterSpec(parameter_spec=_parameter(child), **{name: getattr(child, name) for name in _PARENTS})
        for child in old.child_parameter_specs
    ]
    values = {name: getattr(old, name) for name in _VALUES}
    return ParameterSpec(parameter_id=old.parameter, conditional_parameter_specs=children, **values)
