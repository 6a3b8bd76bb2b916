"""The private parts of KerasTuner, Keras and TensorFlow that Dodona uses, all in this one place."""

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
    """Return whether the space has a hyperparameter with this name and these conditions."""
    return bool(hyperparameters._exists(hp.name, hp.conditions))  # noqa: SLF001 - see above


def scoped_name(hyperparameters: HyperParameters, name: str) -> str:
    """Return a hyperparameter's full name within the open name scopes."""
    return str(hyperparameters._get_name(name))  # noqa: SLF001 - see above


def set_initial_epoch(model: Any, epoch: int | None) -> None:
    """Set the first epoch of the running `fit`, as Keras's BackupAndRestore does.

    None keeps the epoch that its caller has passed.
    """
    model._initial_epoch = epoch  # noqa: SLF001 - see above
