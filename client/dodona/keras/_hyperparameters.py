"""KerasTuner's HyperParameters, with choices of bools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras_tuner


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

    def copy(self) -> Self:
        """The same hyperparameters and values."""
        return type(self).from_config(self.get_config())  # type: ignore[no-any-return]
