"""Resource that a trial gets more of from rung to rung: epochs, or the value of one of the study's parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dodona_server.algorithms.contract.options import integer, real
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Discrete, Double, Parameter, SearchSpace, Value
from dodona_server.domain.studies.study import StudySpec
from dodona_server.domain.trials.continuation import Budget
from dodona_server.domain.trials.trial import Trial

DEFAULT_MAX_RESOURCE = 100
MAX_EPOCHS = 1_000_000
# The option that names the parameter, and those with the resources of the first and the last rung.
FIDELITY = "fidelity"
OPTIONS = (FIDELITY, "min_resource", "max_resource")
# Computed resources may exceed a whole number by rounding errors.
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Resource of trials, and its range.

    Args:
        least: the resource of the first rung, above 0.
        most: that of the last rung.
        parameter: the study's parameter that is the resource; None for epochs.
    """

    least: float
    most: float
    parameter: Parameter | None = None

    def at(self, resource: float) -> int | float:
        """Return the smallest resource that a trial can have from `resource` on, or else the largest."""
        within = min(max(resource, self.least), self.most) * (1 - _TOLERANCE)
        if self.parameter is None:
            return math.ceil(within)
        match self.parameter.kind:
            case Double():
                return min(max(resource, self.least), self.most)
            case Discrete() as kind:
                allowed = _allowed(kind, self.least, self.most)
                return next((value for value in allowed if value >= within), allowed[-1])
            case _:
                return math.ceil(within)

    def distinct(self, resources: Iterable[float]) -> list[int | float]:
        """Return the resources of rungs that trials can have, ascending and without repeats."""
        return sorted({self.at(resource) for resource in resources})

    def growing(self, factor: int) -> list[int | float]:
        """Return the resources of rungs that are each `factor` times the one before, up to the last one."""
        rungs, resource = [], self.least
        while resource < self.most:
            rungs.append(resource)
            resource *= factor
        return self.distinct([*rungs, self.most])

    def searched(self, space: SearchSpace) -> SearchSpace:
        """Return the part of the space that the algorithm searches."""
        if self.parameter is None:
            return space
        return SearchSpace(tuple(one for one in space.parameters if one.id != self.parameter.id))

    def with_resource(self, values: Mapping[str, Value], resource: float) -> dict[str, Value]:
        """Return a searched point with the parameter that is the resource."""
        return dict(values) if self.parameter is None else {**values, self.parameter.id: resource}

    def fixed_in(self, space: SearchSpace) -> float | None:
        """Return the resource to which a part of the study's space is restricted; None if it is not restricted."""
        if self.parameter is None:
            return None
        low, high = _range(next(one for one in space.parameters if one.id == self.parameter.id))
        return low if low == high else None

    def without_resource(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """Return a trial's values without the parameter that is the resource."""
        if self.parameter is None:
            return values
        return {name: value for name, value in values.items() if name != self.parameter.id}

    def resource_of(self, trial: Trial, budget: Budget | None) -> float | None:
        """Return the resource of a trial; None for one that is outside the rungs."""
        if budget is None:
            return None
        value = budget.epochs if self.parameter is None else trial.parameters.get(self.parameter.id)
        return None if isinstance(value, str) else value

    def budget(self, resource: float, before: float, bracket: int, round_number: int) -> Budget:
        """Return the budget of a trial that continues one with the resource `before`, which is 0 for a new one."""
        if self.parameter is None:
            return Budget(int(resource), int(before), bracket, round_number)
        return Budget(None, None, bracket, round_number)


def fidelity_of(spec: StudySpec, space: SearchSpace, first_share: float = 0.0) -> Fidelity:
    """Return the resource that the options `fidelity`, `min_resource` and `max_resource` describe.

    Args:
        spec: the study's; its space may be only a part.
        space: the study's whole space.
        first_share: of the epochs of the last rung, for the first rung where the spec does not say how many it has.

    Raises:
        InvalidArgument: no parameter can be the resource, or the range is not possible.
    """
    if FIDELITY not in spec.algorithm_options:
        most = integer(spec, "max_resource", DEFAULT_MAX_RESOURCE, 1, MAX_EPOCHS)
        first = max(1, math.ceil(first_share * most))
        return Fidelity(integer(spec, "min_resource", first, 1, most), most)
    parameter = fidelity_parameter(spec, space)
    low, high = _range(parameter)
    last = real(spec, "max_resource", high, low, high)
    fidelity = Fidelity(real(spec, "min_resource", low, low, last), last, parameter)
    if fidelity.least <= 0:
        raise InvalidArgument(
            f"{parameter.id!r} begins at {fidelity.least:g}; the first rung needs a resource above 0",
            "algorithm_options.min_resource",
        )
    if isinstance(parameter.kind, Discrete) and not _allowed(parameter.kind, fidelity.least, last):
        raise InvalidArgument(
            f"no value of {parameter.id!r} is from {fidelity.least:g} to {last:g}", "algorithm_options.max_resource"
        )
    return fidelity


def fidelity_parameter(spec: StudySpec, space: SearchSpace) -> Parameter:
    """Return the parameter that the option `fidelity` names.

    Raises:
        InvalidArgument: there is none, or it is not numeric, conditional, or has conditional parameters.
    """
    name = spec.algorithm_options[FIDELITY]
    possible = {one.id: one for one in space.parameters if not isinstance(one.kind, Categorical) and not one.branches}
    if name not in possible:
        listed = ", ".join(possible) or "none"
        raise InvalidArgument(
            f"{name!r} is not a numeric parameter without conditions; there are: {listed}",
            f"algorithm_options.{FIDELITY}",
        )
    return possible[str(name)]


def whole_range(parameter: Parameter) -> Fidelity:
    """Return the resource that is a parameter with its whole range.

    Raises:
        InvalidArgument: the range does not begin above 0.
    """
    low, high = _range(parameter)
    if low <= 0:
        raise InvalidArgument(
            f"{parameter.id!r} begins at {low:g}; a resource needs a range above 0", f"algorithm_options.{FIDELITY}"
        )
    return Fidelity(low, high, parameter)


def _range(parameter: Parameter) -> tuple[float, float]:
    kind = parameter.kind
    if isinstance(kind, Discrete | Categorical):
        numbers = [value for value in kind.values if not isinstance(value, str)]
        return min(numbers), max(numbers)
    return kind.min_value, kind.max_value


def _allowed(kind: Discrete, low: float, high: float) -> list[int | float]:
    return sorted(value for value in kind.values if low <= value <= high)
