"""KerasTuner's tuners that create their own oracle, with KerasTuner's arguments."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from dodona.keras._tuners.tuner import Tuner


class AlgorithmTuner(Tuner):
    """A tuner with the arguments of one of KerasTuner's tuners and an algorithm of the server.

    Args:
        *args: the arguments of keras_tuner's class of this name.
        **kwargs: the same by name, and those of `Tuner`.

    """

    _keras_tuner_class: ClassVar[type]
    _algorithm: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound = inspect.signature(self._keras_tuner_class).bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments | bound.arguments.pop("kwargs")
        self.seed = arguments["seed"]
        super().__init__(self._algorithm, **self._tuner_arguments(arguments))

    def _tuner_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return KerasTuner's arguments as arguments of `Tuner`."""
        return arguments
