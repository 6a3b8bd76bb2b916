"""KerasTuner's HyperParameters, with choices of bools, and conditions on numbers that rounding errors do not break."""

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
    """What a hypermodel is built with. KerasTuner's own turns `Choice("flag", [True, False])` into one of 1 and 0."""

    def Choice(  # noqa: N802 - KerasTuner's name
        self, name: str, values: Sequence[Any], ordered: bool | None = None, default: Any = None, **parent: Any
    ) -> Any:
        """As keras_tuner.HyperParameters.Choice; a choice of bools is a Boolean, or Fixed if there is only one.

        Args:
            name: the hyperparameter's.
            values: what it can be, all of one type.
            ordered: whether the order means something.
            default: the first, if it is not given.
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
        """As keras_tuner.HyperParameters.conditional_scope; a number means the parent's value that it stands for.

        Args:
            parent_name: of the hyperparameter that the block depends on.
            parent_values: under which of its values the block is active; 0.1 + 0.2 means 0.3.
        """
        values = list(parent_values) if isinstance(parent_values, list | tuple) else [parent_values]
        parents = [hp for hp in self.space if hp.name == scoped_name(self, parent_name)]
        for parent in parents:
            values = [_declared(parent, value) for value in values]
        with super().conditional_scope(parent_name, values):
            yield

    def copy(self) -> Self:
        """The same hyperparameters and values."""
        return type(self).from_config(self.get_config())  # type: ignore[no-any-return]


def _declared(parent: HyperParameter, value: Any) -> Any:
    """The parent's own value for one that differs from it by a rounding error; any other as it is."""
    if not isinstance(value, float):
        return value
    if isinstance(parent, Choice):
        possible = [one for one in parent.values if isinstance(one, float)]
    else:
        possible = [snapped(parent, value)] if has_grid(parent) else []
    found = closest(possible, value)
    return value if found is None else found
