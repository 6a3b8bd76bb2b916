"""KerasTuner's HyperParameters, with Boolean choices and conditions on numbers that tolerate rounding errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import keras_tuner
from keras_tuner.engine.hyperparameters import Choice, HyperParameter

from dodona._space import closest
from dodona.keras._compat import scoped_name
from dodona.keras._mapping.steps import has_grid, snapped


class HyperParameters(keras_tuner.HyperParameters):  # type: ignore[misc]  # keras_tuner has no types
    """Argument of a hypermodel. KerasTuner's own class turns `Choice("flag", [True, False])` into 1 and 0."""

    def Choice(  # noqa: N802 - KerasTuner's name
        self, name: str, values: Sequence[Any], ordered: bool | None = None, default: Any = None, **parent: Any
    ) -> Any:
        """See keras_tuner.HyperParameters.Choice; a choice of bools is a Boolean, or Fixed if there is only one.

        Args:
            name: the hyperparameter's name.
            values: the values, all of one type.
            ordered: whether their order matters.
            default: the default; None for the first value.
            **parent: `parent_name` and `parent_values`.
        """
        if not values or not all(isinstance(value, bool) for value in values):
            return super().Choice(name, values, ordered, default, **parent)
        first = values[0] if default is None else default
        if len(set(values)) == 1:
            return self.Fixed(name, first, **parent)
        return self.Boolean(name, first, **parent)

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """See keras_tuner.HyperParameters.conditional_scope; a number also matches a value with a rounding error.

        Args:
            parent_name: the hyperparameter that the block depends on.
            parent_values: the values under which the block is active; 0.1 + 0.2 matches 0.3.
        """
        values = list(parent_values) if isinstance(parent_values, list | tuple) else [parent_values]
        parents = [hp for hp in self.space if hp.name == scoped_name(self, parent_name)]
        for parent in parents:
            values = [_declared(parent, value) for value in values]
        with super().conditional_scope(parent_name, values):
            yield

    def copy(self) -> Self:
        """Return a copy with the same hyperparameters and values."""
        return type(self).from_config(self.get_config())  # type: ignore[no-any-return]


def _declared(parent: HyperParameter, value: Any) -> Any:
    """Return the parent's own value for one with a rounding error; any other value unchanged."""
    if not isinstance(value, float):
        return value
    if isinstance(parent, Choice):
        possible = [one for one in parent.values if isinstance(one, float)]
    else:
        possible = [snapped(parent, value)] if has_grid(parent) else []
    found = closest(possible, value)
    return value if found is None else found
