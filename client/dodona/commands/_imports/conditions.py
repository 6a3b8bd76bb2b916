"""Conditions between parameters, inferred from trials that have only some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from dodona import Boolean, Categorical, Discrete, Int
from dodona._space import Parameter, Value

# The kinds of parameters that may have children.
PARENTS = (Categorical, Boolean, Discrete, Int)


def tree_of(parameters: Mapping[str, Parameter], trials: Sequence[Mapping[str, Value]]) -> dict[str, Parameter]:
    """Return the space in which each parameter has the condition that explains in which trials it has a value.

    Args:
        parameters: by name, without conditions.
        trials: the values of each trial.

    Raises:
        ValueError: no other parameter's value explains it.
    """
    conditions = {
        name: _condition(name, parameters, trials)
        for name in parameters
        if any(name not in values for values in trials)
    }

    def with_children(name: str) -> Parameter:
        children: dict[tuple[Any, ...], dict[str, Parameter]] = {}
        for child, (parent, needed) in conditions.items():
            if parent == name:
                children.setdefault(needed, {})[child] = with_children(child)
        parameter: Any = parameters[name]
        return cast("Parameter", replace(parameter, children=children)) if children else parameters[name]

    return {name: with_children(name) for name in parameters if name not in conditions}


def _condition(
    name: str, parameters: Mapping[str, Parameter], trials: Sequence[Mapping[str, Value]]
) -> tuple[str, tuple[Value, ...]]:
    """Return the parameter on whose values this one depends, and these values."""
    having = [values for values in trials if name in values]
    lacking = [values for values in trials if name not in values]
    for parent, parameter in parameters.items():
        if parent == name or not isinstance(parameter, PARENTS) or any(parent not in values for values in having):
            continue
        needed = {values[parent] for values in having}
        others = {values[parent] for values in lacking if parent in values}
        # Without others the parent cannot decide about this one: both have the same condition.
        if others and not needed & others:
            return parent, tuple(sorted(needed, key=str))
    raise ValueError(f"parameter {name!r} is missing in some trials, and no value of another parameter explains it")
