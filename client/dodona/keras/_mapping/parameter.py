"""Mapping between a hyperparameter of KerasTuner and a parameter of Vizier; `conditions` maps the conditions.

The metadata of the parameter carries what Vizier cannot describe (a step, the order, exact types), so that every worker
restores the same hyperparameter.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, HyperParameter, Int, deserialize

from dodona._space import closest
from dodona.keras._compat import Parent
from dodona.keras._mapping.steps import grid_size, grid_value, has_grid, snapped
from dodona_schemas.vertex import (
    CategoricalValueSpec,
    DiscreteValueSpec,
    DoubleValueSpec,
    IntegerValueSpec,
    ParameterPrior,
    ParameterSpec,
    ScaleType,
    Sureness,
)

Value: TypeAlias = str | bool | int | float

# The server's limits for a discrete parameter: the number of values, and their smallest distance.
MAX_DISCRETE_VALUES = 1000
MIN_DISCRETE_GAP = 1e-10

KERAS_TUNER = "keras_tuner"
# The client's own mark, so that plain `dodona.Study` shows such a parameter as a Boolean too.
_BOOLEAN_MARK = {"dodona.type": "bool"}

_SCALES = {
    "linear": ScaleType.UNIT_LINEAR_SCALE,
    "log": ScaleType.UNIT_LOG_SCALE,
    "reverse_log": ScaleType.UNIT_REVERSE_LOG_SCALE,
}
_SAMPLINGS = {scale: sampling for sampling, scale in _SCALES.items()}


def spec_of(hp: HyperParameter, position: int) -> ParameterSpec:
    """Return the parameter for a hyperparameter, without its conditions.

    Args:
        hp: the hyperparameter.
        position: its position in the whole space.

    Raises:
        TypeError: it is not one of KerasTuner's five kinds.
    """
    config = {"class_name": type(hp).__name__, "config": hp.get_config(), "position": position}
    metadata = {KERAS_TUNER: json.dumps(config, default=_plain)}
    spec = ParameterSpec(parameter_id=hp.name, metadata=metadata)
    match hp:
        case Boolean():
            names = CategoricalValueSpec(values=["False", "True"], default_value=str(bool(hp.default)))
            spec.categorical_value_spec = names
            spec.metadata |= _BOOLEAN_MARK
        case Fixed() | Choice():
            _describe_choice(spec, [_plain(value) for value in hp.values], _plain(hp.default))
        case Float() | Int():
            _describe_range(spec, hp)
        case _:
            raise TypeError(f"{hp!r} is not a Float, Int, Choice, Boolean or Fixed; only these can be tuned")
    # Without a default KerasTuner takes the first value.
    if (isinstance(hp, Float | Int) and hp.default != hp.min_value) or (
        isinstance(hp, Choice) and hp.default != hp.values[0]
    ):
        _hint_at_default(spec)
    return spec


def _hint_at_default(spec: ParameterSpec) -> None:
    """Set the weakest prior there is at the default, which the user has chosen."""
    kind = spec.double_value_spec or spec.integer_value_spec or spec.discrete_value_spec or spec.categorical_value_spec
    if kind is not None and kind.default_value is not None:
        spec.prior = ParameterPrior(values=[kind.default_value], sure=Sureness.VAGUELY)


def _describe_choice(spec: ParameterSpec, values: Sequence[Value], default: Value) -> None:
    values = list(dict.fromkeys(values))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and _discrete(values):
        spec.discrete_value_spec = DiscreteValueSpec(values=values, default_value=default)
    else:
        names = [_name(value) for value in values]
        spec.categorical_value_spec = CategoricalValueSpec(values=names, default_value=_name(default))


def _describe_range(spec: ParameterSpec, hp: Any) -> None:
    spec.scale_type = _SCALES[hp.sampling]
    default = _plain(hp.default)
    if has_grid(hp) and grid_size(hp) <= MAX_DISCRETE_VALUES:
        values = [grid_value(hp, index) for index in range(grid_size(hp))]
        if _discrete(values):
            # KerasTuner accepts a default beside the grid; the server would refuse it.
            near = snapped(hp, default)
            default = near if math.isclose(near, default, rel_tol=1e-9, abs_tol=1e-12) else None
            spec.discrete_value_spec = DiscreteValueSpec(values=list(dict.fromkeys(values)), default_value=default)
            return
    inside = default if hp.min_value <= default <= hp.max_value else None
    if isinstance(hp, Int):
        spec.integer_value_spec = IntegerValueSpec(min_value=hp.min_value, max_value=hp.max_value, default_value=inside)
    else:
        spec.double_value_spec = DoubleValueSpec(min_value=hp.min_value, max_value=hp.max_value, default_value=inside)


def _discrete(values: Sequence[Any]) -> bool:
    """Return whether the numbers can be the values of a discrete parameter."""
    if len(values) > MAX_DISCRETE_VALUES or not all(map(math.isfinite, values)):
        return False
    ordered = sorted(set(values))
    return all(high - low >= MIN_DISCRETE_GAP for low, high in itertools.pairwise(ordered))


def hyperparameter_of(spec: ParameterSpec, conditions: list[Parent]) -> HyperParameter:
    """Return the hyperparameter for a parameter.

    Args:
        spec: the parameter; without KerasTuner's metadata it is read by its kind.
        conditions: its conditions in the tree; KerasTuner's own are in the metadata.
    """
    if KERAS_TUNER in spec.metadata:
        config = json.loads(spec.metadata[KERAS_TUNER])
        return deserialize({"class_name": config["class_name"], "config": config["config"]})
    name, sampling = spec.parameter_id, _SAMPLINGS.get(spec.scale_type, "linear")
    if (real := spec.double_value_spec) is not None:
        bounds = {"min_value": real.min_value, "max_value": real.max_value, "default": real.default_value}
        return Float(name, **bounds, sampling=sampling, conditions=conditions)
    if (whole := spec.integer_value_spec) is not None:
        bounds = {"min_value": whole.min_value, "max_value": whole.max_value, "default": whole.default_value}
        return Int(name, **bounds, sampling=sampling, conditions=conditions)
    if (numbers := spec.discrete_value_spec) is not None:
        # KerasTuner needs one type: if one number has a fraction, all become floats.
        number = int if all(isinstance(value, int) for value in numbers.values) else float
        values, default = [number(value) for value in numbers.values], numbers.default_value
        return Choice(name, values, default=None if default is None else number(default), conditions=conditions)
    names = spec.categorical_value_spec or CategoricalValueSpec()
    if set(names.values) == {"False", "True"}:
        # Vizier's other clients have no other way to write a boolean, and "False" would count as true.
        return Boolean(name, default=names.default_value == "True", conditions=conditions)
    return Choice(name, names.values, default=names.default_value, conditions=conditions)


def position_of(spec: ParameterSpec) -> int | None:
    """Return the parameter's position in the space; None if it was not recorded."""
    if KERAS_TUNER not in spec.metadata:
        return None
    return int(json.loads(spec.metadata[KERAS_TUNER])["position"])


def value_of(hp: HyperParameter, value: Value) -> Any:
    """Return a suggested value as the hypermodel declared it: its type, its grid, the same object of a choice.

    Args:
        hp: the hyperparameter.
        value: the server's or the client's value; a value that `hp` cannot have is replaced by the default.
    """
    match hp:
        case Boolean():
            return {"False": False, "True": True}.get(str(value), hp.default)
        case Fixed() | Choice():
            if not isinstance(value, str):
                nearest = closest([one for one in hp.values if not isinstance(one, str)], value)
                return hp.default if nearest is None else nearest
            return next((one for one in hp.values if _name(_plain(one)) == value), hp.default)
    # KerasTuner itself misses the ends of a logarithmic range by a rounding error.
    slack = 1e-9 * (hp.max_value - hp.min_value)
    if isinstance(value, str) or not hp.min_value - slack <= value <= hp.max_value + slack:
        return hp.default
    if has_grid(hp):
        return snapped(hp, value)
    return round(value) if isinstance(hp, Int) else float(value)


def encoded(spec: ParameterSpec, value: Value) -> Value | None:
    """Return a hyperparameter's value as the parameter has it; None if it is not possible, or not for conditions.

    Args:
        spec: the parameter.
        value: the hypermodel's value.
    """
    if (whole := spec.integer_value_spec) is not None:
        inside = not isinstance(value, str) and whole.min_value <= value <= whole.max_value
        return int(value) if inside and value == int(value) else None
    if (numbers := spec.discrete_value_spec) is not None:
        return None if isinstance(value, str) else closest(numbers.values, _plain(value))
    if (names := spec.categorical_value_spec) is not None:
        return _name(_plain(value)) if _name(_plain(value)) in names.values else None
    return None


def _name(value: Value) -> str:
    return value if isinstance(value, str) else repr(value)


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's own value; any other value unchanged."""
    return value.item() if isinstance(value, np.generic) else value
