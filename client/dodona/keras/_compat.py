"""What is needed of KerasTuner and is not public there, all in this one place."""

from __future__ import annotations

from typing import Any

from keras_tuner import HyperParameters
from keras_tuner.engine.hyperparameters import HyperParameter
from keras_tuner.src.backend import io as files
from keras_tuner.src.engine.conditions import Parent
from keras_tuner.src.engine.objective import DefaultObjective, MultiObjective, create_objective
from keras_tuner.src.engine.tuner_utils import (
    SaveBestEpoch,
    TunerCallback,
    convert_to_metrics_dict,
    get_best_step,
    validate_trial_results,
)
from keras_tuner.src.utils import load_json, save_json

__all__ = [
    "DefaultObjective",
    "MultiObjective",
    "Parent",
    "SaveBestEpoch",
    "TunerCallback",
    "convert_to_metrics_dict",
    "create_objective",
    "files",
    "get_best_step",
    "knows",
    "load_json",
    "save_json",
    "scoped_name",
    "set_initial_epoch",
    "validate_trial_results",
]


def knows(hyperparameters: HyperParameters, hp: HyperParameter) -> bool:
    """Whether a hyperparameter of this name stands under the same conditions in the space already."""
    return bool(hyperparameters._exists(hp.name, hp.conditions))  # noqa: SLF001 - see above


def scoped_name(hyperparameters: HyperParameters, name: str) -> str:
    """A hyperparameter's whole name within the name scopes that are open now."""
    return str(hyperparameters._get_name(name))  # noqa: SLF001 - see above


def set_initial_epoch(model: Any, epoch: int | None) -> None:
    """Lets `fit`, which is calling its callbacks now, begin with that epoch: what Keras's BackupAndRestore does.

    None lets it begin as its caller says.
    """
    model._initial_epoch = epoch  # noqa: SLF001 - see above
