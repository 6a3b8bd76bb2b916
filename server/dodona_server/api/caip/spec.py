"""Conversion of study configurations between the wire and the domain."""

from __future__ import annotations

import re

from dodona_schemas import caip as wire
from dodona_schemas.vertex import GoalType
from dodona_server.api.shared import (
    read_condition,
    read_goal,
    read_kind,
    read_stopping,
    write_condition,
    write_kind,
    write_stopping,
)
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import Branch, Kind, Parameter, SearchSpace, check_depth
from dodona_server.domain.study import Metric, StoppingRule, StudySpec

# This dialect's names for the fields in errors, which use Vertex's names.
_FIELDS = {
    "studySpec": "studyConfig",
    "metricId": "metric",
    "parameterId": "parameter",
    "conditionalParameterSpecs": "childParameterSpecs",
    "elapsedDuration": "elapsedTime",
}
_FIELD = re.compile(rf"(?<!['\w])({'|'.join(_FIELDS)})(?!['\w])")  # not in the user's own names, which are quoted
_USE_TIME = "use_elapsed_duration"
# Algorithms that have another name in this dialect.
_ALGORITHMS = {"GAUSSIAN_PROCESS_BANDIT": "GP_BANDIT"}


def field_name(field: str) -> str:
    """Return the field that an error names, with this dialect's names."""
    return _FIELD.sub(lambda match: _FIELDS[match[1]], field)


# --- reading


def read_spec(config: wire.MlStudyConfig) -> StudySpec:
    """Return the domain's spec.

    Raises:
        InvalidArgument: it is not valid.
    """
    with inside("studyConfig"):
        metrics = []
        for index, metric in enumerate(config.metrics):
            with inside(f"metrics[{index}]"):
                metrics.append(Metric(metric.metric, read_goal(metric.goal)))
        parameters = []
        for index, parameter in enumerate(config.parameters):
            with inside(f"parameters[{index}]"):
                _refuse_condition(parameter)
                parameters.append(_read_parameter(parameter))
        with inside("studyStoppingConfig"):
            stopping = read_stopping(config.study_stopping_config)
        return StudySpec(
            metrics=tuple(metrics),
            space=SearchSpace(tuple(parameters)),
            algorithm=_ALGORITHMS.get(config.algorithm.name, config.algorithm.name),
            stopping=stopping,
            stopping_rule=_read_stopping_rule(config.automated_stopping_config),
        )


def _read_stopping_rule(config: wire.MlAutomatedStoppingConfig | None) -> StoppingRule | None:
    if config is None:
        return None
    decay, median = config.decay_curve_stopping_config, config.median_automated_stopping_config
    if decay is not None and median is not None:
        raise InvalidArgument("only one early stopping rule is possible, not both", "automatedStoppingConfig")
    if decay is not None:
        return StoppingRule("decay_curve_stopping_spec", {_USE_TIME: decay.use_elapsed_time})
    if median is not None:
        return StoppingRule("median_automated_stopping_spec", {_USE_TIME: median.use_elapsed_time})
    return None


def _refuse_condition(parameter: wire.MlParameterSpec) -> None:
    for field in ("parent_discrete_values", "parent_int_values", "parent_categorical_values"):
        if getattr(parameter, field) is not None:
            raise InvalidArgument(f"{parameter.parameter!r} has a condition on a parent, but no parent")


def _read_parameter(parameter: wire.MlParameterSpec, depth: int = 1) -> Parameter:
    check_depth(depth)
    kind = read_kind(parameter.parameter, parameter)
    declared = parameter.type
    if declared is not wire.MlParameterType.PARAMETER_TYPE_UNSPECIFIED and declared.name != kind.type.upper():
        raise InvalidArgument(f"{declared.name} does not fit {kind.type}ValueSpec", "type")
    branches = []
    for index, child in enumerate(parameter.child_parameter_specs):
        with inside(f"childParameterSpecs[{index}]"):
            branches.append(Branch(read_condition(kind, child), _read_parameter(child, depth + 1)))
    return Parameter(parameter.parameter, kind, tuple(branches))


# --- writing


def write_spec(spec: StudySpec) -> wire.MlStudyConfig:
    """Return the configuration as on the wire; it omits everything for which this dialect has no field."""
    algorithms = {_ALGORITHMS.get(name, name): member for name, member in wire.MlAlgorithm.__members__.items()}
    return wire.MlStudyConfig(
        metrics=[wire.MlMetricSpec(metric=metric.id, goal=GoalType[metric.goal.value]) for metric in spec.metrics],
        parameters=[_write_parameter(parameter) for parameter in spec.space.parameters],
        algorithm=algorithms.get(spec.algorithm, wire.MlAlgorithm.ALGORITHM_UNSPECIFIED),
        automated_stopping_config=_write_stopping_rule(spec.stopping_rule),
        study_stopping_config=write_stopping(spec.stopping),
    )


def _write_stopping_rule(rule: StoppingRule | None) -> wire.MlAutomatedStoppingConfig | None:
    if rule is None:
        return None
    use_time = bool(rule.options.get(_USE_TIME, False))
    if rule.name == "decay_curve_stopping_spec":
        decay = wire.MlDecayCurveStoppingConfig(use_elapsed_time=use_time)
        return wire.MlAutomatedStoppingConfig(decay_curve_stopping_config=decay)
    if rule.name == "median_automated_stopping_spec":
        median = wire.MlMedianStoppingConfig(use_elapsed_time=use_time)
        return wire.MlAutomatedStoppingConfig(median_automated_stopping_config=median)
    return None


def _write_parameter(parameter: Parameter) -> wire.MlParameterSpec:
    written = wire.MlParameterSpec(
        parameter=parameter.id,
        type=wire.MlParameterType[parameter.kind.type.upper()],
        child_parameter_specs=[_write_branch(parameter.kind, branch) for branch in parameter.branches],
    )
    write_kind(parameter.kind, written)
    return written


def _write_branch(parent: Kind, branch: Branch) -> wire.MlParameterSpec:
    written = _write_parameter(branch.parameter)
    write_condition(parent, branch.values, written)
    return written
