"""Search space as users declare it.

A space maps names to parameters. A parameter that is active only under some values of another is one of its children:

    space = {
        "learning_rate": Float(1e-5, 1e-1, scale="log"),
        "layers": Int(1, 4),
        "optimizer": Categorical(["adam", "sgd"], children={"sgd": {"momentum": Float(0, 0.99)}}),
        "batch_size": Discrete([16, 32, 64]),
        "augment": Boolean(default=False),
    }

Values are Python's own types: float, int, str and bool; for Discrete, the declared number.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from dodona._values import MAX_INT64, number, plain, shown

Value: TypeAlias = str | bool | int | float
Sure: TypeAlias = Literal["vaguely", "fairly", "very"]
Scale: TypeAlias = Literal["linear", "log", "reverse_log"]
Space: TypeAlias = Mapping[str, "Parameter"]
# The key is a value of the parent or a tuple of such values; children may have children.
Children: TypeAlias = Mapping[Any, Space]


@dataclass(frozen=True)
class Prior:
    """Values near which a parameter is believed to be best; `near` makes one."""

    values: tuple[Value, ...]
    sure: Sure = "fairly"


def near(*values: Value, sure: Sure = "fairly") -> Prior:
    """Return the belief that a parameter is best near a value, or near one of several: a hint for the search.

    It weighs at first and fades with the results; a wrong one costs a few trials.

    Args:
        values: at least one.
        sure: how sure you are: "vaguely", "fairly" or "very".

    Raises:
        ValueError: there is no value, or no such word.
    """
    if not values:
        raise ValueError("near() needs at least one value")
    if sure not in get_args(Sure):
        raise ValueError(f"sure={sure!r} is not one of {_listed(get_args(Sure))}")
    return Prior(values, sure)


class Parameter(ABC):
    """Base class of the kinds of parameter."""

    default: Any
    prior: Prior | None
    children: Children

    def __post_init__(self) -> None:
        try:
            self._normalize()
            if self.default is not None:
                self._set("default", self.check(self.default))
            if self.prior is not None:
                self._set("prior", self.check_prior(self.prior))
            self._set("children", self._normalized_children())
        except ValueError as error:
            raise ValueError(f"{shown(self)}: {error}") from None

    @abstractmethod
    def check(self, value: object) -> Value:
        """Return `value` in the parameter's own type.

        Raises:
            ValueError: the parameter cannot have this value; the message says which are allowed.
        """

    def check_prior(self, prior: object) -> Prior:
        """Return `prior` with values in the parameter's own type.

        Raises:
            ValueError: it is no prior, or the parameter cannot have one of its values.
        """
        if not isinstance(prior, Prior):
            raise ValueError(f"prior={shown(prior)} is not a prior; write dodona.near({shown(prior)})")
        return Prior(tuple(map(self.check, prior.values)), prior.sure)

    def active_children(self, value: Value) -> Iterator[Space]:
        """Return the spaces of the children that are active when the parameter has `value`."""
        return (space for key, space in self.children.items() if value in values_of(key))

    @abstractmethod
    def _normalize(self) -> None:
        """Normalize the declaration; raise ValueError if no value could satisfy it."""

    def _normalized_children(self) -> dict[Any, Space]:
        normalized: dict[Any, Space] = {}
        for key, space in self.children.items():
            values = tuple(self.check(value) for value in values_of(key))
            if not values:
                raise ValueError("children under an empty tuple; name the values under which they are active")
            normalized[values[0] if len(values) == 1 else values] = dict(checked(space))
        return normalized

    def _set(self, name: str, value: object) -> None:
        # The dataclasses are frozen for users, not for their own constructor.
        object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Float(Parameter):
    """A real number from `min` to `max`, both included.

    Args:
        min: the lowest value; above 0 on a logarithmic scale.
        max: the highest value.
        scale: how values are spread: "linear"; "log", finer towards `min`; "reverse_log", finer towards `max`.
        default: the value for a queued trial without one.
        prior: where you believe it to be best, as `near(3e-4)`.

    Raises:
        ValueError: no value could satisfy this.
    """

    min: float
    max: float
    _: KW_ONLY
    scale: Scale = "linear"
    default: float | None = None
    prior: Prior | None = None
    children: Children = field(default_factory=dict, init=False, repr=False, hash=False)

    def check(self, value: object) -> float:
        """Return `value` as a float in the range."""
        found = number(value)
        if found is None or not self.min <= found <= self.max:
            raise ValueError(f"{shown(value)} is not a number from {self.min!r} to {self.max!r}")
        return float(found)

    def _normalize(self) -> None:
        low, high = _checked_range((self.min, self.max), self.scale)
        self._set("min", float(low))
        self._set("max", float(high))


@dataclass(frozen=True)
class Int(Parameter):
    """An integer from `min` to `max`, both included.

    Args:
        min: the lowest value; above 0 on a logarithmic scale.
        max: the highest value.
        scale: how values are spread: "linear"; "log", finer towards `min`; "reverse_log", finer towards `max`.
        default: the value for a queued trial without one.
        prior: where you believe it to be best, as `near(3e-4)`.
        children: parameters that are active under one value, or a tuple of values, of this one.

    Raises:
        ValueError: no value could satisfy this.
    """

    min: int
    max: int
    _: KW_ONLY
    scale: Scale = "linear"
    default: int | None = None
    prior: Prior | None = None
    children: Children = field(default_factory=dict, hash=False)

    def check(self, value: object) -> int:
        """Return `value` as an int in the range; a float without a fraction is accepted."""
        found = number(value)
        if found is None or found != int(found) or not self.min <= found <= self.max:
            raise ValueError(f"{shown(value)} is not an integer from {self.min} to {self.max}")
        return int(found)

    def _normalize(self) -> None:
        bounds = _checked_range((self.min, self.max), self.scale)
        for bound in bounds:
            if bound != int(bound):
                raise ValueError(f"{bound!r} is not an integer; use Float for real numbers")
            if abs(bound) > MAX_INT64:
                raise ValueError(f"{bound!r} does not fit into 64 bits; use Float for numbers of that size")
        self._set("min", int(bounds[0]))
        self._set("max", int(bounds[1]))


@dataclass(frozen=True)
class Categorical(Parameter):
    """One of several unordered names.

    Args:
        choices: the names.
        default: the value for a queued trial without one.
        prior: where you believe it to be best, as `near(3e-4)`.
        children: parameters that are active under one choice, or a tuple of choices, of this one.

    Raises:
        ValueError: there are no choices, they repeat or are not strings, or a child's condition is not a choice.
    """

    choices: Sequence[str]
    _: KW_ONLY
    default: str | None = None
    prior: Prior | None = None
    children: Children = field(default_factory=dict, hash=False)

    def check(self, value: object) -> str:
        """Return `value`, if it is one of the choices."""
        name = plain(value)
        if not isinstance(name, str) or name not in self.choices:
            raise ValueError(f"{shown(value)} is not one of {_listed(self.choices)}")
        return name

    def _normalize(self) -> None:
        choices = tuple(plain(choice) for choice in _several(self.choices))
        for choice in choices:
            if not isinstance(choice, str):
                raise ValueError(
                    f"{shown(choice)} is not a string; use Discrete for numbers, Boolean for True and False"
                )
        self._set("choices", _distinct(choices))


@dataclass(frozen=True)
class Discrete(Parameter):
    """One of several numbers.

    Args:
        values: the numbers; above 0 on a logarithmic scale.
        scale: how values are spread: "linear"; "log", finer at the low end; "reverse_log", finer at the high end.
        default: the value for a queued trial without one.
        prior: where you believe it to be best, as `near(3e-4)`.
        children: parameters that are active under one value, or a tuple of values, of this one.

    Raises:
        ValueError: there are no values, they repeat or are not numbers, or a child's condition is not a value.
    """

    values: Sequence[int | float]
    _: KW_ONLY
    scale: Scale = "linear"
    default: int | float | None = None
    prior: Prior | None = None
    children: Children = field(default_factory=dict, hash=False)

    def check(self, value: object) -> int | float:
        """Return the declared number that equals `value`, up to rounding errors."""
        found = number(value)
        if found is not None and (declared := closest(self.values, found)) is not None:
            return declared
        raise ValueError(f"{shown(value)} is not one of {_listed(self.values)}")

    def _normalize(self) -> None:
        values = []
        for value in _several(self.values):
            found = number(value)
            if found is None:
                raise ValueError(f"{shown(value)} is not a finite number; use Categorical for names")
            values.append(found)
        self._set("values", _distinct(values))
        _checked_range((min(values), max(values)), self.scale)


@dataclass(frozen=True)
class Boolean(Parameter):
    """True or False.

    Args:
        default: the value for a queued trial without one.
        prior: where you believe it to be best, as `near(3e-4)`.
        children: parameters that are active under True, or under False.

    Raises:
        ValueError: the default or a child's condition is neither True nor False.
    """

    _: KW_ONLY
    default: bool | None = None
    prior: Prior | None = None
    children: Children = field(default_factory=dict, hash=False)

    def check(self, value: object) -> bool:
        """Return `value` as a bool; NumPy's booleans are accepted."""
        found = plain(value)
        if not isinstance(found, bool):
            raise ValueError(f"{shown(value)} is neither True nor False")
        return found

    def _normalize(self) -> None:
        """Do nothing: there is nothing to normalize."""


def checked(space: Space) -> Space:
    """Return `space` if it is valid.

    Raises:
        ValueError: a name is not a string, or a parameter is not a Parameter.
    """
    for name, parameter in space.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{name!r} is not a name of a parameter; names are strings")
        if not isinstance(parameter, Parameter):
            raise ValueError(
                f"parameter {name!r} is {parameter!r}; write it as Float, Int, Categorical, Discrete or Boolean"
            )
    return space


def all_parameters(space: Space) -> dict[str, Parameter]:
    """Return all parameters of a space by name, with those that depend on others."""
    found = dict(space)
    for parameter in space.values():
        for children in parameter.children.values():
            found |= all_parameters(children)
    return found


def closest(declared: Iterable[int | float], value: float) -> int | float | None:
    """Return the declared number that equals `value`, up to the rounding errors of computed steps: the server's rule.

    Args:
        declared: the parameter's numbers.
        value: any finite number.

    Returns:
        One of `declared`; None if `value` is none of them.
    """
    near = [one for one in declared if one == value or _rounded_alike(one, value)]
    return min(near, key=lambda one: abs(one - value), default=None)


def _rounded_alike(one: float, other: float) -> bool:
    if one == int(one) and other == int(other):
        # Whole numbers have no rounding errors.
        return False
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)


def values_of(key: Any) -> tuple[Any, ...]:
    """Return the parent's values in a key of `children`."""
    return key if isinstance(key, tuple) else (key,)


def _checked_range(bounds: tuple[float, float], scale: Scale) -> tuple[float, float]:
    found = []
    for bound in bounds:
        if (one := number(bound)) is None:
            raise ValueError(f"{shown(bound)} is not a finite number")
        found.append(one)
    low, high = found
    if low > high:
        raise ValueError(f"min {low!r} is above max {high!r}")
    if scale not in get_args(Scale):
        raise ValueError(f"scale {scale!r} is not one of {_listed(get_args(Scale))}")
    if scale != "linear" and low <= 0:
        raise ValueError(f"{low!r} cannot be on a logarithmic scale; the lowest value must be above 0")
    return low, high


def _several(values: Iterable[Any]) -> tuple[Any, ...]:
    if isinstance(values, str):
        raise ValueError(f"{values!r} is one string; write a list")
    several = tuple(values)
    if not several:
        raise ValueError("the list is empty; at least one value is needed")
    return several


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    distinct = tuple(values)
    for index, value in enumerate(distinct):
        if value in distinct[:index]:
            raise ValueError(f"{value!r} appears twice")
    return distinct


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown} and {len(values) - 10} more"
