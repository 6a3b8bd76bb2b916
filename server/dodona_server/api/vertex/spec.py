"""Study specs between the wire and the domain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dodona_schemas import vertex as wire
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import (
    Branch,
    Categorical,
    Discrete,
    Double,
    Integer,
    Kind,
    Parameter,
    Scale,
    SearchSpace,
    Value,
)
from dodona_server.domain.study import (
    Goal,
    Metric,
    Noise,
    Safety,
    Selection,
    StoppingConfig,
    StoppingRule,
    StudySpec,
    TimeConstraint,
)

_SCALES = {
    wire.ScaleType.SCALE_TYPE_UNSPECIFIED: Scale.LINEAR,
    wire.ScaleType.UNIT_LINEAR_SCALE: Scale.LINEAR,
    wire.ScaleType.UNIT_LOG_SCALE: Scale.LOG,
    wire.ScaleType.UNIT_REVERSE_LOG_SCALE: Scale.REVERSE_LOG,
}
_SCALE_NAMES = {scale: name for name, scale in _SCALES.items()}  # the last of equals: UNIT_LINEAR_SCALE
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


def timestamp(seconds: float) -> datetime:
    """Seconds since the epoch as the wire's time."""
    return datetime.fromtimestamp(seconds, UTC)


# --- reading


def read_spec(spec: wire.StudySpec) -> StudySpec:
    """The domain's spec.

    Raises:
        InvalidArgument: it is not valid; the message names the field as the wire has it.
    """
    with inside("studySpec"):
        metrics = []
        for index, metric in enumerate(spec.metrics):
            with inside(f"metrics[{index}]"):
                metrics.append(_read_metric(metric))
        with inside("studyStoppingConfig"):
            stopping = _read_stopping(spec.study_stopping_config)
        best = spec.measurement_selection_type is wire.MeasurementSelectionType.BEST_MEASUREMENT
        return StudySpec(
            metrics=tuple(metrics),
            space=SearchSpace(read_parameters(spec.parameters)),
            algorithm=spec.algorithm.name,
            noise=_NOISES[spec.observation_noise],
            selection=Selection.BEST if best else Selection.LAST,
            stopping=stopping,
            stopping_rule=_read_stopping_rule(spec),
        )


def _read_metric(metric: wire.MetricSpec) -> Metric:
    goal = Goal.MINIMIZE if metric.goal is wire.GoalType.MINIMIZE else Goal.MAXIMIZE
    config = metric.safety_config
    with inside("safetyConfig"):
        safety = None
        if config is not None:
            safety = Safety(config.safety_threshold, config.desired_min_safe_trials_fraction)
    return Metric(metric.metric_id, goal, safety)


def _read_stopping(config: wire.StudyStoppingConfig | None) -> StoppingConfig:
    if config is None:
        return StoppingConfig()
    with inside("minimumRuntimeConstraint"):
        minimum = _read_constraint(config.minimum_runtime_constraint)
    with inside("maximumRuntimeConstraint"):
        maximum = _read_constraint(config.maximum_runtime_constraint)
    return StoppingConfig(
        should_stop_asap=config.should_stop_asap,
        minimum_runtime=minimum,
        maximum_runtime=maximum,
        min_num_trials=config.min_num_trials,
        max_num_trials=config.max_num_trials,
        max_num_trials_no_progress=config.max_num_trials_no_progress,
        max_duration_no_progress=config.max_duration_no_progress,
    )


def _read_constraint(constraint: wire.StudyTimeConstraint | None) -> TimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return TimeConstraint(constraint.max_duration, None if end is None else end.timestamp())


def _read_stopping_rule(spec: wire.StudySpec) -> StoppingRule | None:
    named = {name: getattr(spec, name) for name in _STOPPING_RULES}
    given = {name: rule for name, rule in named.items() if rule is not None}
    if len(given) > 1:
        raise InvalidArgument(f"only one early stopping rule is possible, not {' and '.join(given)}")
    for name, rule in given.items():
        return StoppingRule(name, rule.model_dump(exclude_none=True))
    return None


def read_parameters(parameters: Sequence[wire.ParameterSpec]) -> tuple[Parameter, ...]:
    """The domain's parameters.

    Raises:
        InvalidArgument: one is not valid.
    """
    read = []
    for index, parameter in enumerate(parameters):
        with inside(f"parameters[{index}]"):
            read.append(_read_parameter(parameter))
    return tuple(read)


def _read_parameter(parameter: wire.ParameterSpec) -> Parameter:
    branches = []
    kind = _read_kind(parameter)
    for index, child in enumerate(parameter.conditional_parameter_specs):
        with inside(f"conditionalParameterSpecs[{index}]"):
            values = _read_condition(kind, child)
            with inside("parameterSpec"):
                branches.append(Branch(values, _read_parameter(child.parameter_spec)))
    return Parameter(parameter.parameter_id, kind, tuple(branches), dict(parameter.metadata))


def _read_kind(parameter: wire.ParameterSpec) -> Kind:
    specs = {
        "doubleValueSpec": parameter.double_value_spec,
        "integerValueSpec": parameter.integer_value_spec,
        "categoricalValueSpec": parameter.categorical_value_spec,
        "discreteValueSpec": parameter.discrete_value_spec,
    }
    given = {name: spec for name, spec in specs.items() if spec is not None}
    if len(given) != 1:
        named = " and ".join(given) or "none"
        raise InvalidArgument(f"{parameter.parameter_id!r} needs exactly one of {', '.join(specs)}; it has {named}")
    scale = _SCALES[parameter.scale_type]
    ((name, spec),) = given.items()
    with inside(name):
        match spec:
            case wire.DoubleValueSpec():
                return Double(spec.min_value, spec.max_value, scale, spec.default_value)
            case wire.IntegerValueSpec():
                return Integer(spec.min_value, spec.max_value, scale, spec.default_value)
            case wire.DiscreteValueSpec():
                return Discrete(tuple(spec.values), scale, spec.default_value)
            case _:
                if scale is not Scale.LINEAR:
                    raise InvalidArgument(f"{parameter.scale_type.name} makes no sense for names", "scaleType")
                return Categorical(tuple(spec.values), spec.default_value)


def _read_condition(parent: Kind, child: wire.ConditionalParameterSpec) -> tuple[Value, ...]:
    conditions = {
        "parentDiscreteValues": (Discrete, child.parent_discrete_values),
        "parentIntValues": (Integer, child.parent_int_values),
        "parentCategoricalValues": (Categorical, child.parent_categorical_values),
    }
    given = [name for name, (_, condition) in conditions.items() if condition is not None]
    if len(given) != 1:
        raise InvalidArgument(f"needs exactly one of {', '.join(conditions)}; it has {' and '.join(given) or 'none'}")
    parent_type, condition = conditions[given[0]]
    if not isinstance(parent, parent_type) and not isinstance(parent, Double):  # a Double has its own message
        raise InvalidArgument(f"does not fit the parent, which is {parent.type.upper()}", given[0])
    values: Sequence[Value] = condition.values if condition is not None else ()
    return tuple(values)


# --- writing


def write_spec(spec: StudySpec, seed: int) -> wire.StudySpec:
    """The wire's spec."""
    best = spec.selection is Selection.BEST
    written = wire.StudySpec(
        metrics=[_write_metric(metric) for metric in spec.metrics],
        parameters=[_write_parameter(parameter) for parameter in spec.space.parameters],
        algorithm=wire.Algorithm[spec.algorithm],
        observation_noise=_NOISE_NAMES[spec.noise],
        measurement_selection_type=wire.MeasurementSelectionType["BEST_MEASUREMENT" if best else "LAST_MEASUREMENT"],
        study_stopping_config=_write_stopping(spec.stopping),
        seed=seed,
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


def _write_stopping(stopping: StoppingConfig) -> wire.StudyStoppingConfig | None:
    if stopping == StoppingConfig():
        return None
    return wire.StudyStoppingConfig(
        should_stop_asap=stopping.should_stop_asap,
        minimum_runtime_constraint=_write_constraint(stopping.minimum_runtime),
        maximum_runtime_constraint=_write_constraint(stopping.maximum_runtime),
        min_num_trials=stopping.min_num_trials,
        max_num_trials=stopping.max_num_trials,
        max_num_trials_no_progress=stopping.max_num_trials_no_progress,
        max_duration_no_progress=stopping.max_duration_no_progress,
    )


def _write_constraint(constraint: TimeConstraint | None) -> wire.StudyTimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return wire.StudyTimeConstraint(
        max_duration=constraint.max_duration, end_time=None if end is None else timestamp(end)
    )


def _write_parameter(parameter: Parameter) -> wire.ParameterSpec:
    written = wire.ParameterSpec(
        parameter_id=parameter.id,
        conditional_parameter_specs=[_write_branch(parameter.kind, branch) for branch in parameter.branches],
        metadata=dict(parameter.metadata),
    )
    kind = parameter.kind
    match kind:
        case Double():
            written.double_value_spec = wire.DoubleValueSpec(
                min_value=kind.min_value, max_value=kind.max_value, default_value=kind.default_value
            )
        case Integer():
            written.integer_value_spec = wire.IntegerValueSpec(
                min_value=kind.min_value, max_value=kind.max_value, default_value=kind.default_value
            )
        case Discrete():
            written.discrete_value_spec = wire.DiscreteValueSpec(
                values=list(kind.values), default_value=kind.default_value
            )
        case Categorical():
            written.categorical_value_spec = wire.CategoricalValueSpec(
                values=list(kind.values), default_value=kind.default_value
            )
            return written
    written.scale_type = _SCALE_NAMES[kind.scale]
    return written


def _write_branch(parent: Kind, branch: Branch) -> wire.ConditionalParameterSpec:
    written = wire.ConditionalParameterSpec(parameter_spec=_write_parameter(branch.parameter))
    values = list(branch.values)
    match parent:
        case Discrete():
            written.parent_discrete_values = wire.DiscreteValueCondition.model_validate({"values": values})
        case Integer():
            written.parent_int_values = wire.IntValueCondition.model_validate({"values": values})
        case _:
            written.parent_categorical_values = wire.CategoricalValueCondition.model_validate({"values": values})
    return written
