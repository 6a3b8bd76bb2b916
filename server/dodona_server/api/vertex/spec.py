"""Conversion of study specs between the wire and the domain."""

from __future__ import annotations

from collections.abc import Sequence

from dodona_schemas import vertex as wire
from dodona_server.api.shared import (
    read_condition,
    read_goal,
    read_kind,
    read_stopping,
    timestamp,
    write_condition,
    write_kind,
    write_stopping,
)
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import Branch, Kind, Parameter, SearchSpace, check_depth
from dodona_server.domain.study import DEFAULT_MAX_ATTEMPTS, Metric, Noise, Safety, Selection, StoppingRule, StudySpec

__all__ = ["read_parameters", "read_spec", "timestamp", "write_spec"]

_NOISES = {
    wire.ObservationNoise.OBSERVATION_NOISE_UNSPECIFIED: Noise.UNSPECIFIED,
    wire.ObservationNoise.LOW: Noise.LOW,
    wire.ObservationNoise.HIGH: Noise.HIGH,
}
_NOISE_NAMES = {noise: name for name, noise in _NOISES.items()}
_STOPPING_RULES = (
    "decay_curve_stopping_spec",
    "median_automated_stopping_spec",
    "convex_automated_stopping_spec",
)


# --- reading


def read_spec(spec: wire.StudySpec) -> StudySpec:
    """Return the domain's spec.

    Raises:
        InvalidArgument: it is not valid; the message names the field as on the wire.
    """
    with inside("studySpec"):
        metrics = []
        for index, metric in enumerate(spec.metrics):
            with inside(f"metrics[{index}]"):
                metrics.append(_read_metric(metric))
        with inside("studyStoppingConfig"):
            stopping = read_stopping(spec.study_stopping_config)
        best = spec.measurement_selection_type is wire.MeasurementSelectionType.BEST_MEASUREMENT
        return StudySpec(
            metrics=tuple(metrics),
            space=SearchSpace(read_parameters(spec.parameters)),
            algorithm=spec.algorithm.name,
            noise=_NOISES[spec.observation_noise],
            selection=Selection.BEST if best else Selection.LAST,
            stopping=stopping,
            stopping_rule=_read_stopping_rule(spec),
            algorithm_options=dict(spec.algorithm_options),
            prior_studies=tuple(spec.prior_studies),
            max_attempts=DEFAULT_MAX_ATTEMPTS if spec.max_attempts is None else spec.max_attempts,
        )


def _read_metric(metric: wire.MetricSpec) -> Metric:
    config = metric.safety_config
    with inside("safetyConfig"):
        safety = None
        if config is not None:
            safety = Safety(config.safety_threshold, config.desired_min_safe_trials_fraction)
    return Metric(metric.metric_id, read_goal(metric.goal), safety)


def _read_stopping_rule(spec: wire.StudySpec) -> StoppingRule | None:
    named = {name: getattr(spec, name) for name in _STOPPING_RULES}
    given = {name: rule for name, rule in named.items() if rule is not None}
    if len(given) > 1:
        raise InvalidArgument(f"only one early stopping rule is possible, not {' and '.join(given)}")
    for name, rule in given.items():
        return StoppingRule(name, rule.model_dump(exclude_none=True))
    return None


def read_parameters(parameters: Sequence[wire.ParameterSpec]) -> tuple[Parameter, ...]:
    """Return the domain's parameters.

    Raises:
        InvalidArgument: one is not valid.
    """
    read = []
    for index, parameter in enumerate(parameters):
        with inside(f"parameters[{index}]"):
            read.append(_read_parameter(parameter))
    return tuple(read)


def _read_parameter(parameter: wire.ParameterSpec, depth: int = 1) -> Parameter:
    check_depth(depth)
    branches = []
    kind = read_kind(parameter.parameter_id, parameter)
    for index, child in enumerate(parameter.conditional_parameter_specs):
        with inside(f"conditionalParameterSpecs[{index}]"):
            values = read_condition(kind, child)
            with inside("parameterSpec"):
                branches.append(Branch(values, _read_parameter(child.parameter_spec, depth + 1)))
    return Parameter(parameter.parameter_id, kind, tuple(branches), dict(parameter.metadata))


# --- writing


def write_spec(spec: StudySpec, seed: int) -> wire.StudySpec:
    """Return the spec as on the wire."""
    best = spec.selection is Selection.BEST
    written = wire.StudySpec(
        metrics=[_write_metric(metric) for metric in spec.metrics],
        parameters=[_write_parameter(parameter) for parameter in spec.space.parameters],
        algorithm=wire.Algorithm[spec.algorithm],
        observation_noise=_NOISE_NAMES[spec.noise],
        measurement_selection_type=wire.MeasurementSelectionType["BEST_MEASUREMENT" if best else "LAST_MEASUREMENT"],
        study_stopping_config=write_stopping(spec.stopping),
        seed=seed,
        algorithm_options=dict(spec.algorithm_options),
        prior_studies=list(spec.prior_studies),
        max_attempts=spec.max_attempts,
    )
    if spec.stopping_rule is None:
        return written
    return wire.StudySpec.model_validate(
        {**written.model_dump(), spec.stopping_rule.name: dict(spec.stopping_rule.options)}
    )


def _write_metric(metric: Metric) -> wire.MetricSpec:
    safety = metric.safety
    config = safety and wire.SafetyMetricConfig(
        safety_threshold=safety.threshold,
        desired_min_safe_trials_fraction=safety.desired_min_safe_trials_fraction,
    )
    return wire.MetricSpec(metric_id=metric.id, goal=wire.GoalType[metric.goal.value], safety_config=config)


def _write_parameter(parameter: Parameter) -> wire.ParameterSpec:
    written = wire.ParameterSpec(
        parameter_id=parameter.id,
        conditional_parameter_specs=[_write_branch(parameter.kind, branch) for branch in parameter.branches],
        metadata=dict(parameter.metadata),
    )
    write_kind(parameter.kind, written)
    return written


def _write_branch(parent: Kind, branch: Branch) -> wire.ConditionalParameterSpec:
    written = wire.ConditionalParameterSpec(parameter_spec=_write_parameter(branch.parameter))
    write_condition(parent, branch.values, written)
    return written
