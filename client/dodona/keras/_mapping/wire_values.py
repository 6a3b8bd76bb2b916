"""A trial's values on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from keras_tuner import HyperParameters

from dodona.keras._mapping.conditions import values_of
from dodona.keras._mapping.parameter import Value, encoded
from dodona.keras._mapping.search_space import Space, filled
from dodona_schemas.vertex import ParameterSpec, TrialParameter


def encoded_values(specs: Iterable[ParameterSpec], values: Mapping[str, Value]) -> Iterator[TrialParameter]:
    """Yield the values of active parameters in wire form, parents first; impossible values are left out.

    Args:
        specs: the study's parameters.
        values: the hypermodel's values by name.
    """
    for spec in specs:
        if spec.parameter_id not in values:
            continue
        value = _encoded(spec, values[spec.parameter_id])
        if value is None:
            continue
        yield TrialParameter(parameter_id=spec.parameter_id, value=value)
        for child in spec.conditional_parameter_specs:
            if value in values_of(child):
                yield from encoded_values([child.parameter_spec], values)


def used_values(
    space: Space, hyperparameters: HyperParameters, suggested: Mapping[str, Value]
) -> list[TrialParameter] | None:
    """Return the values that a trial really used, in wire form; None if they are the suggested ones.

    Args:
        space: the study's space, with the hyperparameters that the trial has found.
        hyperparameters: the trial's hyperparameters, with their values.
        suggested: the trial's parameters as the server suggested them.
    """
    begun = filled(space.hyperparameters, suggested).values
    values = {name: value for name, value in hyperparameters.values.items() if hyperparameters.is_active(name)}
    # For a range with many steps the server may have suggested a value between steps; its own value is kept.
    exact = {name: suggested[name] for name in suggested.keys() & values.keys() if values[name] == begun.get(name)}
    used = list(encoded_values(space.specs, values | exact))
    return None if used == list(encoded_values(space.specs, suggested)) else used


def _encoded(spec: ParameterSpec, value: Value) -> Value | None:
    real = spec.double_value_spec
    if real is None:
        return encoded(spec, value)
    inside = not isinstance(value, str) and real.min_value <= value <= real.max_value
    return float(value) if inside else None
