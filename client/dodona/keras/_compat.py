"""Private parts of KerasTuner, Keras and TensorFlow that Dodona uses, all in this one place.

Dodona's classes also override private parts of KerasTuner's classes, and call them through `super()`:

- Oracle: `_display` and `_set_project_dir`;
- BaseTuner: `_populate_initial_space`, `_try_run_and_update_trial` and `_run_and_update_trial`;
- Tuner: `_build_hypermodel`, `_try_build`, `_override_compile_args`, `_build_and_fit_model` and
  `_configure_tensorboard_dir`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import keras_tuner
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
    "build_and_fit_of",
    "build_config_path",
    "checkpoint_path",
    "convert_to_metrics_dict",
    "copied_callbacks",
    "create_objective",
    "files",
    "get_best_step",
    "gradient_registry",
    "has_hyperparameter",
    "load_json",
    "save_json",
    "scoped_name",
    "set_initial_epoch",
    "tensorboard_folder",
    "validate_trial_results",
]


def has_hyperparameter(hyperparameters: HyperParameters, hp: HyperParameter) -> bool:
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


def checkpoint_path(tuner: keras_tuner.Tuner, trial_id: str) -> str:
    """Return the path of the file with the weights of a trial's best epoch."""
    return str(tuner._get_checkpoint_fname(trial_id))  # noqa: SLF001 - see above


def build_config_path(tuner: keras_tuner.Tuner, trial_id: str) -> str:
    """Return the path of the file from which a trial's model is built."""
    return str(tuner._get_build_config_fname(trial_id))  # noqa: SLF001 - see above


def copied_callbacks(tuner: keras_tuner.Tuner, callbacks: list[Any]) -> list[Any]:
    """Return copies of the user's callbacks, for one execution of a trial."""
    return list(tuner._deepcopy_callbacks(callbacks))  # noqa: SLF001 - see above


def tensorboard_folder(tuner: keras_tuner.Tuner, folder: str, trial_id: str, execution: int) -> str:
    """Return the folder in which TensorBoard logs one execution of a trial, inside `folder`."""
    return str(tuner._get_tensorboard_dir(folder, trial_id, execution))  # noqa: SLF001 - see above


def build_and_fit_of(tuner: Any) -> Callable[..., Any]:
    """Return the method that builds and fits a trial's model, which users may override."""
    method: Callable[..., Any] = tuner._build_and_fit_model  # noqa: SLF001 - see above
    return method


def gradient_registry() -> MutableMapping[str, Any]:
    """Return TensorFlow's gradients by name; empty if TensorFlow is not in use."""
    ops = sys.modules.get("tensorflow.python.framework.ops")
    registry: MutableMapping[str, Any] = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    return registry
