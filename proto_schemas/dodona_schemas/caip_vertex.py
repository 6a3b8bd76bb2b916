"""Map between the dialects: AI Platform's names of Vertex's fields, and its form of a study's spec."""

from __future__ import annotations

from dodona_schemas import caip, vertex

# AI Platform's names of the fields that Vertex calls otherwise; empty for a level that AI Platform does not have.
_FIELDS = {
    "studySpec": "studyConfig",
    "metricId": "metric",
    "parameterId": "parameter",
    "conditionalParameterSpecs": "childParameterSpecs",
    "parameterSpec": "",
    "elapsedDuration": "elapsedTime",
}
_ALGORITHMS = {caip.MlAlgorithm.GAUSSIAN_PROCESS_BANDIT: vertex.Algorithm.GP_BANDIT}
_ML_ALGORITHMS = {theirs: ours for ours, theirs in _ALGORITHMS.items()}
# The type of a parameter by the field with its values.
_TYPES = {
    "double_value_spec": caip.MlParameterType.DOUBLE,
    "integer_value_spec": caip.MlParameterType.INTEGER,
    "categorical_value_spec": caip.MlParameterType.CATEGORICAL,
    "discrete_value_spec": caip.MlParameterType.DISCRETE,
}
_CONDITIONS = ("parent_discrete_values", "parent_int_values", "parent_categorical_values")


def ml_field(path: str) -> str:
    """Return AI Platform's path of a field for Vertex's: "studyConfig.metrics[0].metric"."""
    parts = (part.partition("[") for part in path.split("."))
    named = ((_FIELDS.get(name, name), bracket + index) for name, bracket, index in parts)
    return ".".join(name + index for name, index in named if name)


def to_spec(config: caip.MlStudyConfig) -> vertex.StudySpec:
    """Return Vertex's form of a study's spec."""
    stopping = config.automated_stopping_config or caip.MlAutomatedStoppingConfig()
    decay, median = stopping.decay_curve_stopping_config, stopping.median_automated_stopping_config
    return vertex.StudySpec(
        metrics=[vertex.MetricSpec(metric_id=metric.metric, goal=metric.goal) for metric in config.metrics],
        parameters=[_to_parameter(parameter) for parameter in config.parameters],
        algorithm=_ALGORITHMS.get(config.algorithm) or vertex.Algorithm[config.algorithm.name],
        study_stopping_config=config.study_stopping_config,
        decay_curve_stopping_spec=decay
        and vertex.DecayCurveAutomatedStoppingSpec(use_elapsed_duration=decay.use_elapsed_time),
        median_automated_stopping_spec=median
        and vertex.MedianAutomatedStoppingSpec(use_elapsed_duration=median.use_elapsed_time),
    )


def _to_parameter(parameter: caip.MlParameterSpec) -> vertex.ParameterSpec:
    return vertex.ParameterSpec(
        parameter_id=parameter.parameter,
        scale_type=parameter.scale_type,
        conditional_parameter_specs=[
            vertex.ConditionalParameterSpec(
                parameter_spec=_to_parameter(child), **{name: getattr(child, name) for name in _CONDITIONS}
            )
            for child in parameter.child_parameter_specs
        ],
        **{name: getattr(parameter, name) for name in _TYPES},
    )


def to_config(spec: vertex.StudySpec) -> caip.MlStudyConfig:
    """Return AI Platform's form of a study's spec; it omits everything for which AI Platform has no field."""
    decay, median = spec.decay_curve_stopping_spec, spec.median_automated_stopping_spec
    stopping = caip.MlAutomatedStoppingConfig(
        decay_curve_stopping_config=decay
        and caip.MlDecayCurveStoppingConfig(use_elapsed_time=decay.use_elapsed_duration),
        median_automated_stopping_config=median
        and caip.MlMedianStoppingConfig(use_elapsed_time=median.use_elapsed_duration),
    )
    return caip.MlStudyConfig(
        metrics=[caip.MlMetricSpec(metric=metric.metric_id, goal=metric.goal) for metric in spec.metrics],
        parameters=[_to_ml_parameter(parameter) for parameter in spec.parameters],
        algorithm=_to_ml_algorithm(spec.algorithm),
        automated_stopping_config=stopping if decay or median else None,
        study_stopping_config=spec.study_stopping_config,
    )


def _to_ml_algorithm(algorithm: vertex.Algorithm | vertex.RegisteredAlgorithm) -> caip.MlAlgorithm:
    same = caip.MlAlgorithm.__members__.get(algorithm.name, caip.MlAlgorithm.ALGORITHM_UNSPECIFIED)
    return _ML_ALGORITHMS.get(algorithm, same) if isinstance(algorithm, vertex.Algorithm) else same


def _to_ml_parameter(parameter: vertex.ParameterSpec) -> caip.MlParameterSpec:
    values = {name: getattr(parameter, name) for name in _TYPES}
    (kind,) = (kind for name, kind in _TYPES.items() if values[name] is not None)
    children = []
    for child in parameter.conditional_parameter_specs:
        condition = {name: getattr(child, name) for name in _CONDITIONS}
        children.append(_to_ml_parameter(child.parameter_spec).model_copy(update=condition))
    return caip.MlParameterSpec(
        parameter=parameter.parameter_id,
        type=kind,
        scale_type=parameter.scale_type,
        child_parameter_specs=children,
        **values,
    )
