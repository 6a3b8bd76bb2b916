"""Conversion of search spaces between the wire and the domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    Value,
    check_depth,
)

_SCALES = {
    wire.ScaleType.SCALE_TYPE_UNSPECIFIED: Scale.LINEAR,
    wire.ScaleType.UNIT_LINEAR_SCALE: Scale.LINEAR,
    wire.ScaleType.UNIT_LOG_SCALE: Scale.LOG,
    wire.ScaleType.UNIT_REVERSE_LOG_SCALE: Scale.REVERSE_LOG,
}
_SCALE_NAMES = {scale: name for name, scale in _SCALES.items()}  # the last of the equal values: UNIT_LINEAR_SCALE


# --- reading


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
    kind = _read_kind(parameter.parameter_id, parameter)
    for index, child in enumerate(parameter.conditional_parameter_specs):
        with inside(f"conditionalParameterSpecs[{index}]"):
            values = _read_condition(kind, child)
            with inside("parameterSpec"):
                branches.append(Branch(values, _read_parameter(child.parameter_spec, depth + 1)))
    return Parameter(parameter.parameter_id, kind, tuple(branches), dict(parameter.metadata))


def _read_kind(name: str, parameter: wire.ParameterSpec) -> Kind:
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


def _read_condition(parent: Kind, child: wire.ConditionalParameterSpec) -> tuple[Value, ...]:
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


# --- writing


def write_parameter(parameter: Parameter) -> wire.ParameterSpec:
    """Return a parameter with its children as on the wire."""
    written = wire.ParameterSpec(
        parameter_id=parameter.id,
        conditional_parameter_specs=[_write_branch(parameter.kind, branch) for branch in parameter.branches],
        metadata=dict(parameter.metadata),
    )
    _write_kind(parameter.kind, written)
    return written


def _write_branch(parent: Kind, branch: Branch) -> wire.ConditionalParameterSpec:
    written = wire.ConditionalParameterSpec(parameter_spec=write_parameter(branch.parameter))
    _write_condition(parent, branch.values, written)
    return written


def _write_kind(kind: Kind, written: wire.ParameterSpec) -> None:
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


def _write_condition(parent: Kind, values: Iterable[Value], written: wire.ConditionalParameterSpec) -> None:
    """Set the condition of a child parameter on the wire."""
    condition = {"values": list(values)}
    match parent:
        case Discrete():
            written.parent_discrete_values = wire.DiscreteValueCondition.model_validate(condition)
        case Integer():
            written.parent_int_values = wire.IntValueCondition.model_validate(condition)
        case _:
            written.parent_categorical_values = wire.CategoricalValueCondition.model_validate(condition)
