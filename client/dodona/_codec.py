"""Spaces and parameter values on the wire, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from dodona._space import (
    Boolean,
    Categorical,
    Discrete,
    Float,
    Int,
    Parameter,
    Prior,
    Scale,
    Space,
    Sure,
    Value,
    checked,
    closest,
    values_of,
)
from dodona_schemas import vertex
from dodona_schemas.vertex import ParameterSpec, ScaleType, TrialParameter

# Vizier has no booleans: they travel as categories, marked by this entry of the parameter's metadata.
_BOOLEAN_MARK = {"dodona.type": "bool"}
_BOOLEAN_NAMES = ["False", "True"]

# The algorithm's own entries among the parameters, such as how long to train; they are not part of the space.
TUNER_PREFIX = "tuner/"
# Among them: the epochs at which a trial ends and begins, and the id of the trial that it continues.
EPOCHS, INITIAL_EPOCH, RESUME_FROM = "tuner/epochs", "tuner/initial_epoch", "tuner/trial_id"

_SCALES: dict[Scale, ScaleType] = {
    "linear": ScaleType.UNIT_LINEAR_SCALE,
    "log": ScaleType.UNIT_LOG_SCALE,
    "reverse_log": ScaleType.UNIT_REVERSE_LOG_SCALE,
}
_SCALE_NAMES: dict[ScaleType, Scale] = {scale_type: name for name, scale_type in _SCALES.items()}


def specs_of(space: Space) -> list[ParameterSpec]:
    """Return the space as ParameterSpecs.

    Raises:
        ValueError: a name is not a string or a parameter is not a Parameter.
    """
    return [_spec(name, parameter) for name, parameter in checked(space).items()]


def space_of(specs: Iterable[ParameterSpec]) -> dict[str, Parameter]:
    """Return the space that ParameterSpecs describe."""
    return {spec.parameter_id: _parameter(spec) for spec in specs}


def names_in(space: Space) -> list[str]:
    """Return the names of all parameters, each followed by those of its children."""
    names: dict[str, None] = {}
    for name, parameter in space.items():
        names[name] = None
        for child in parameter.children.values():
            names.update(dict.fromkeys(names_in(child)))
    return list(names)


def encode(space: Space, values: Mapping[str, Value]) -> list[TrialParameter]:
    """Return `values` as TrialParameters. Missing values are left for the server to fill in or refuse.

    Raises:
        ValueError: a value is outside its parameter, or its parameter is unknown or not active.
    """
    encoded: dict[str, Any] = {}
    active: list[str] = []
    pending = dict(space)
    while pending:
        name, parameter = pending.popitem()
        active.append(name)
        if name not in values and parameter.default is None:
            continue
        try:
            value = parameter.check(values.get(name, parameter.default))
        except ValueError as error:
            raise ValueError(f"parameter {name!r}: {error}") from None
        if name in values:
            encoded[name] = str(value) if isinstance(parameter, Boolean) else value
        for child in parameter.active_children(value):
            pending.update(child)
    if unknown := values.keys() - encoded.keys():
        wrong = min(unknown, key=str)
        raise ValueError(f"{wrong!r} is not an active parameter here; the active ones are {', '.join(sorted(active))}")
    return [TrialParameter(parameter_id=name, value=value) for name, value in encoded.items()]


def decode(space: Space, parameters: Sequence[TrialParameter]) -> dict[str, Value]:
    """Return a trial's values in Python's types, parents before children; unknown parameters keep the sent value."""
    travelled = {parameter.parameter_id: parameter.value for parameter in parameters}
    decoded: dict[str, Value] = {}
    _decode_into(decoded, space, travelled)
    return decoded | {name: value for name, value in travelled.items() if name not in decoded}


def _decode_into(decoded: dict[str, Value], space: Space, travelled: Mapping[str, Any]) -> None:
    for name, parameter in space.items():
        if name in travelled:
            decoded[name] = _decoded(parameter, travelled[name])
            for child in parameter.active_children(decoded[name]):
                _decode_into(decoded, child, travelled)


def _decoded(parameter: Parameter, value: Any) -> Value:
    match parameter:
        case Float():
            return float(value)
        case Int():
            # JSON has one kind of number: 4 may arrive as 4.0.
            return int(value)
        case Boolean():
            return bool(value == "True")
        case Discrete():
            declared = closest(parameter.values, value)
            return value if declared is None else declared
        case _:
            return cast(Value, value)


def _spec(name: str, parameter: Parameter) -> ParameterSpec:
    spec = ParameterSpec(parameter_id=name)
    default = parameter.default
    match parameter:
        case Float(low, high):
            spec.double_value_spec = vertex.DoubleValueSpec(min_value=low, max_value=high, default_value=default)
        case Int(low, high):
            spec.integer_value_spec = vertex.IntegerValueSpec(min_value=low, max_value=high, default_value=default)
        case Categorical(choices):
            spec.categorical_value_spec = vertex.CategoricalValueSpec(values=list(choices), default_value=default)
        case Discrete(values):
            spec.discrete_value_spec = vertex.DiscreteValueSpec(values=list(values), default_value=default)
        case Boolean():
            default = None if default is None else str(default)
            spec.categorical_value_spec = vertex.CategoricalValueSpec(values=_BOOLEAN_NAMES, default_value=default)
            spec.metadata = dict(_BOOLEAN_MARK)
    if isinstance(parameter, Float | Int | Discrete):
        spec.scale_type = _SCALES[parameter.scale]
    if parameter.prior is not None:
        spec.prior = prior_of(parameter, parameter.prior)
    for key, children in parameter.children.items():
        spec.conditional_parameter_specs += [
            _conditional(parameter, list(values_of(key)), child) for child in specs_of(children)
        ]
    return spec


def prior_of(parameter: Parameter, prior: Prior) -> vertex.ParameterPrior:
    """Return a prior of the parameter on the wire."""
    values = [str(value) if isinstance(parameter, Boolean) else value for value in prior.values]
    return vertex.ParameterPrior(values=values, sure=vertex.Sureness[prior.sure.upper()])


def _prior(spec: ParameterSpec) -> Prior | None:
    if spec.prior is None:
        return None
    values = spec.prior.values
    if _BOOLEAN_MARK.items() <= spec.metadata.items():
        values = list(_booleans(tuple(values)))
    sure = "fairly" if spec.prior.sure is vertex.Sureness.SURENESS_UNSPECIFIED else spec.prior.sure.name.lower()
    return Prior(tuple(values), cast(Sure, sure))


def _conditional(parent: Parameter, values: list[Any], child: ParameterSpec) -> vertex.ConditionalParameterSpec:
    conditional = vertex.ConditionalParameterSpec(parameter_spec=child)
    match parent:
        case Int():
            conditional.parent_int_values = vertex.IntValueCondition(values=values)
        case Discrete():
            conditional.parent_discrete_values = vertex.DiscreteValueCondition(values=values)
        case _:
            names = [str(value) for value in values]
            conditional.parent_categorical_values = vertex.CategoricalValueCondition(values=names)
    return conditional


def _parameter(spec: ParameterSpec) -> Parameter:
    scale = _SCALE_NAMES.get(spec.scale_type, "linear")
    if (real := spec.double_value_spec) is not None:
        return Float(real.min_value, real.max_value, scale=scale, default=real.default_value, prior=_prior(spec))
    if (whole := spec.integer_value_spec) is not None:
        default, below = whole.default_value, _children(spec)
        return Int(whole.min_value, whole.max_value, scale=scale, default=default, prior=_prior(spec), children=below)
    if (numbers := spec.discrete_value_spec) is not None:
        number, below = numbers.default_value, _children(spec)
        return Discrete(numbers.values, scale=scale, default=number, prior=_prior(spec), children=below)
    names = spec.categorical_value_spec or vertex.CategoricalValueSpec()
    if _BOOLEAN_MARK.items() <= spec.metadata.items():
        chosen = None if names.default_value is None else names.default_value == "True"
        children = {_booleans(key): space for key, space in _children(spec).items()}
        return Boolean(default=chosen, prior=_prior(spec), children=children)
    return Categorical(names.values, default=names.default_value, prior=_prior(spec), children=_children(spec))


def _children(spec: ParameterSpec) -> dict[tuple[Any, ...], dict[str, Parameter]]:
    children: dict[tuple[Any, ...], dict[str, Parameter]] = {}
    for conditional in spec.conditional_parameter_specs:
        condition = (
            conditional.parent_int_values
            or conditional.parent_discrete_values
            or conditional.parent_categorical_values
            or vertex.CategoricalValueCondition()
        )
        child = conditional.parameter_spec
        children.setdefault(tuple(condition.values), {})[child.parameter_id] = _parameter(child)
    return children


def _booleans(names: tuple[Any, ...]) -> tuple[bool, ...]:
    return tuple(name == "True" for name in names)
