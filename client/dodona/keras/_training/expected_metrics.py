"""Check after the first epoch that the objective is measured at all."""

from __future__ import annotations

import dis
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

import keras
from keras_tuner import HyperModel, Objective

from dodona.keras._compat import DefaultObjective, build_and_fit_of
from dodona.keras._mapping.metrics import numbers
from dodona.keras._mapping.objective import score
from dodona.keras._mapping.results import missing_objective


class ExpectObjective(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """A callback that ends the search after the first epoch that should have measured the objective and did not.

    Args:
        objective: the study's objective.
        validation_freq: the argument of `fit`; validation metrics are expected once there is one.

    """

    def __init__(self, objective: Objective, validation_freq: Any) -> None:
        super().__init__()
        self._objective = objective
        self._sparse = validation_freq != 1
        self._found = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Check for the objective, until an epoch has it.

        Raises:
            MissingObjective: it is missing; the message names the metrics that exist.
        """
        logs = logs or {}
        self._found = (
            self._found or self._objective.has_value(logs) or score(self._objective, numbers(logs)) is not None
        )
        validated = any(str(name).startswith("val_") for name in logs)
        # A model's own `fit` may return anything.
        if self._found or (self._sparse and not validated) or type(self.model).fit is not keras.Model.fit:
            return
        raise missing_objective(self._objective, logs, "the first epoch")


def expects_objective(tuner: Any, callbacks: Sequence[Any]) -> bool:
    """Return whether every epoch must measure the objective, because Keras's own `fit` makes the trial's result.

    Args:
        tuner: the trial's tuner.
        callbacks: the user's callbacks.
    """
    methods = (tuner.run_trial, build_and_fit_of(tuner))
    if not all(method.__module__.startswith("dodona.keras.") for method in methods):
        return False
    if isinstance(tuner.oracle.objective, DefaultObjective) or type(tuner.hypermodel).fit is not HyperModel.fit:
        return False
    hooks = [*(callback.on_epoch_end for callback in callbacks), tuner.on_epoch_end]
    return not any(_may_add_metrics(hook) for hook in hooks)


def _may_add_metrics(hook: Any) -> bool:
    """Return whether a hook at the end of an epoch uses its last argument, the logs, and so may add metrics.

    It may do so in every second epoch only.
    """
    if str(getattr(hook, "__module__", "")).startswith(("keras.", "dodona.keras.")):
        return False
    code = getattr(hook, "__code__", None)
    if not isinstance(code, CodeType) or code.co_argcount == 0 or code.co_flags & 0x0C:
        # It is not a plain function, or has *args or **kwargs.
        return True
    logs = code.co_varnames[code.co_argcount - 1]
    touched = (one.argval if isinstance(one.argval, tuple) else (one.argval,) for one in dis.get_instructions(code))
    return any(logs in names for names in touched)
