"""KerasTuner's tuners that bring their oracle along, with their own arguments by construction."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from dodona.keras._tuners.tuner import Tuner


class NamedTuner(Tuner):
    """A tuner that takes the arguments of one of KerasTuner's and searches by an algorithm of the server.

    Args:
        *args: as of keras_tuner's class of this name.
        **kwargs: likewise, and those of `Tuner`.

    """

    _theirs: ClassVar[type]
    _algorithm: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound = inspect.signature(self._theirs).bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments | bound.arguments.pop("kwargs")
        self.seed = arguments["seed"]
        super().__init__(self._algorithm, **self._translate(arguments))

    def _translate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Those of KerasTuner's arguments that `Tuner` takes otherwise."""
        return arguments
