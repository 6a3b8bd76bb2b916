"""Conversions that both dialects share: parameter types, conditions, budgets, times, named values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from dodona_schemas import vertex as wire
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import Categorical, Discrete, Double, Integer, Kind, Scale, Value
from dodona_server.domain.study import Goal, StoppingConfig, TimeConstraint

_SCALES = {
    wire.ScaleType.SCALE_TYPE_UNSPECIFIED: Scale.LINEAR,
    wire.ScaleType.UNIT_LINEAR_SCALE: Scale.LINEAR,
    wire.ScaleType.UNIT_LOG_SCALE: Scale.LOG,
    wire.ScaleType.UNIT_REVERSE_LOG_SCALE: Scale.REVERSE_LOG,
}
_SCALE_NAMES = {scale: name for name, scale in _SCALES.items()}  # the last of the equal values: UNIT_LINEAR_SCALE


class ValueSpecs(Protocol):
    """A parameter on the wire: exactly one of the four specs is set and determines its type."""

    double_value_spec: wire.DoubleValueSpec | None
    integer_value_spec: wire.IntegerValueSpec | None
    categorical_value_spec: wire.CategoricalValueSpec | None
    discrete_value_spec: wire.DiscreteValueSpec | None
    scale_type: wire.ScaleType


class ParentValues(Protocol):
    """The condition under which a child parameter is active on the wire: exactly one of the three is set."""

    parent_discrete_values: wire.DiscreteValueCondition | None
    parent_int_values: wire.IntValueCondition | None
    parent_categorical_values: wire.CategoricalValueCondition | None


def timestamp(seconds: float) -> datetime:
    """Return seconds since the epoch as a time of the wire."""
    return datetime.fromtimestamp(seconds, UTC)


# --- reading


def read_goal(goal: wire.GoalType) -> Goal:
    """Return the direction of a metric; unspecified is MAXIMIZE."""
    return Goal.MINIMIZE if goal is wire.GoalType.MINIMIZE else Goal.MAXIMIZE


def read_kind(name: str, parameter: ValueSpecs) -> Kind:
    """Return the type of the parameter `name`.

    Raises:
        InvalidArgument: it does not have exactly one value spec, or that one is not valid.
    """
    specs = {
        "doubleValueSpec": parameter.double_value_spec,
        "integerValueSpec": parameter.integer_value_spec,
        "categoricalValueSpec": parameter.categorical_value_spec,
        "discreteValueSpec": parameter.discrete_value_spec,
    }
    given = {field: spec for field, spec in specs.items() if spec is not None}
    if len(given) != 1:
        raise InvalidArgument(f"{name!r} needs exactly one of {', '.join(specs)}; it has {_listed(given)}")
    scale = _SCALES[parameter.scale_type]
    ((field, spec),) = given.items()
    with inside(field):
        match spec:
            case wire.DoubleValueSpec():
                return Double(spec.min_value, spec.max_value, scale, spec.default_value)
            case wire.IntegerValueSpec():
                return Integer(spec.min_value, spec.max_value, scale, spec.default_value)
            case wire.DiscreteValueSpec():
                return Discrete(tuple(spec.values), scale, spec.default_value)
            case _:
                if scale is not Scale.LINEAR:
                    raise InvalidArgument(f"{parameter.scale_type.name} is not possible for categories", "scaleType")
                return Categorical(tuple(spec.values), spec.default_value)


def read_condition(parent: Kind, child: ParentValues) -> tuple[Value, ...]:
    """Return the parent's values for which the child is active.

    Raises:
        InvalidArgument: there is not exactly one condition, or it does not fit the parent.
    """
    conditions = {
        "parentDiscreteValues": (Discrete, child.parent_discrete_values),
        "parentIntValues": (Integer, child.parent_int_values),
        "parentCategoricalValues": (Categorical, child.parent_categorical_values),
    }
    given = [name for name, (_, condition) in conditions.items() if condition is not None]
    if len(given) != 1:
        raise InvalidArgument(f"needs exactly one of {', '.join(conditions)}; it has {_listed(given)}")
    parent_type, condition = conditions[given[0]]
    if not isinstance(parent, parent_type) and not isinstance(parent, Double):  # a Double has its own message
        raise InvalidArgument(f"does not fit the parent, which is {parent.type.upper()}", given[0])
    values: Sequence[Value] = condition.values if condition is not None else ()
    return tuple(values)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names) or "none"


def read_stopping(config: wire.StudyStoppingConfig | None) -> StoppingConfig:
    """Return the budget of a study.

    Raises:
        InvalidArgument: a limit is out of range.
    """
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
        max_failed_trials=config.max_failed_trials,
    )


def _read_constraint(constraint: wire.StudyTimeConstraint | None) -> TimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return TimeConstraint(constraint.max_duration, None if end is None else end.timestamp())


def read_values(given: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return the parameter values of a trial from the wire.

    Raises:
        InvalidArgument: a parameter occurs twice.
    """
    values: dict[str, object] = {}
    for name, value in given:
        if name in values:
            raise InvalidArgument(f"{name!r} appears twice", "parameters")
        values[name] = value
    return values


def read_metrics(given: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the metrics of a measurement from the wire.

    Raises:
        InvalidArgument: a metric has no name or occurs twice.
    """
    metrics: dict[str, float] = {}
    for name, value in given:
        if not name:
            raise InvalidArgument("is empty; every metric needs a name", "measurement.metrics.metricId")
        if name in metrics:
            raise InvalidArgument(f"{name!r} appears twice", "measurement.metrics")
        metrics[name] = value
    return metrics


# --- writing


def write_kind(kind: Kind, written: ValueSpecs) -> None:
    """Set the value spec and the scale of a parameter on the wire."""
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
            return
    written.scale_type = _SCALE_NAMES[kind.scale]


def write_condition(parent: Kind, values: Iterable[Value], written: ParentValues) -> None:
    """Set the condition of a child parameter on the wire."""
    condition = {"values": list(values)}
    match parent:
        case Discrete():
            written.parent_discrete_values = wire.DiscreteValueCondition.model_validate(condition)
        case Integer():
            written.parent_int_values = wire.IntValueCondition.model_validate(condition)
        case _:
            written.parent_categorical_values = wire.CategoricalValueCondition.model_validate(condition)


def write_stopping(stopping: StoppingConfig) -> wire.StudyStoppingConfig | None:
    """Return the budget of a study as on the wire; None if it has none."""
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
        max_failed_trials=stopping.max_failed_trials,
    )


def _write_constraint(constraint: TimeConstraint | None) -> wire.StudyTimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return wire.StudyTimeConstraint(
        max_duration=constraint.max_duration, end_time=None if end is None else timestamp(end)
    )
