"""Axes of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dodona_figures.records import Parameter, Study, Trial, Value


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter's axis.

    Args:
        name: the parameter's.
        kind: how its values are placed; "category" has names at equal distances.
        categories: the names in order, of a category; empty for numbers.
        low: the lowest value, of numbers: of the space and of the trials.
        high: the highest value, of numbers.
        whole: whether all values are whole numbers.
        conditional: whether it is not active in all trials.
    """

    name: str
    kind: Literal["linear", "log", "reverse_log", "category"]
    categories: list[str]
    low: float | None
    high: float | None
    whole: bool
    conditional: bool

    def shown(self, value: Value | None) -> str | float | None:
        """Return a value as figures have it: text on an axis of categories; None where it is not active."""
        if value is None:
            return None
        return str(value) if self.kind == "category" else value

    def place(self, value: Value | None) -> float | None:
        """Return the position of a value, from 0 at the low end to 1; None where it is not active."""
        if value is None:
            return None
        if self.kind == "category":
            return (self.categories.index(str(value)) + 0.5) / len(self.categories)
        low, high = self.low or 0.0, self.high or 0.0
        if high <= low:
            return 0.5
        number = min(max(float(value), low), high)
        if self.kind == "log":
            return math.log(number / low) / math.log(high / low)
        if self.kind == "reverse_log":
            return 1.0 - math.log((low + high - number) / low) / math.log(high / low)
        return (number - low) / (high - low)


def axes_of(study: Study, trials: Sequence[Trial], names: Iterable[str] | None = None) -> list[Axis]:
    """Return the axes of parameters, in the order of the space.

    Args:
        study: declares the parameters.
        trials: the trials to show.
        names: of the parameters; None for all that the trials have.

    Raises:
        ValueError: no trial has such a parameter; choose one of those that the message names.
    """
    values: dict[str, list[Value]] = {}
    for trial in trials:
        for name, value in trial.parameters.items():
            values.setdefault(name, []).append(value)
    declared = {parameter.name: parameter for parameter in study.parameters}
    if names is None:
        order = [*(name for name in declared if name in values), *sorted(values.keys() - declared.keys())]
    else:
        order = list(names)
        for name in order:
            if name not in values:
                known = ", ".join(sorted(values)) or "no parameters"
                raise ValueError(f"no succeeded trial has the parameter {name!r}; they have {known}")
    return [axis_of(declared.get(name, Parameter(name)), values[name], len(trials)) for name in order]


def axis_of(parameter: Parameter, values: Sequence[Value], trials: int) -> Axis:
    """Return the axis of a parameter.

    Args:
        parameter: as declared; only its name for one that the space does not have.
        values: of all trials that have it; at least one.
        trials: how many trials are shown.
    """
    conditional = bool(parameter.conditions) or len(values) < trials
    if parameter.is_category or any(isinstance(value, str | bool) for value in values):
        # In the order of the declaration; values that the space no longer has come last.
        names = dict.fromkeys(map(str, [*parameter.choices, *sorted(set(values), key=str)]))
        return Axis(parameter.name, "category", list(names), None, None, False, conditional)
    bounds = [parameter.low, parameter.high, *parameter.choices]
    numbers = [float(value) for value in [*(bound for bound in bounds if bound is not None), *values]]
    low, high = min(numbers), max(numbers)
    whole = parameter.whole or all(number == int(number) for number in numbers if math.isfinite(number))
    kind = parameter.scale if low > 0 else "linear"
    return Axis(parameter.name, kind, [], low, high, whole, conditional)
