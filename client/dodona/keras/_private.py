"""What is needed of KerasTuner and is not public there, all in this one place."""

from __future__ import annotations

from typing import Any

from keras_tuner import HyperParameters
from keras_tuner.engine.hyperparameters import HyperParameter
from keras_tuner.src.backend import io as files
from keras_tuner.src.engine.conditions import Parent
from keras_tuner.src.engine.objective import DefaultObjective, MultiObjective, create_objective
from keras_tuner.src.engine.tuner_utils import SaveBestEpoch, TunerCallback
from keras_tuner.src.utils import save_json

__all__ = [
    "DefaultObjective",
    "MultiObjective",
    "Parent",
    "SaveBestEpoch",
    "TunerCallback",
    "create_objective",
    "files",
    "grid_size",
    "knows",
    "save_json",
    "set_initial_epoch",
]


def knows(hyperparameters: HyperParameters, hp: HyperParameter) -> bool:
    """Whether a hyperparameter of this name stands under the same conditions in the space already."""
    return bool(hyperparameters._exists(hp.name, hp.conditions))  # noqa: SLF001 - see above


def grid_size(hp: Any) -> int:
    """How many values a Float or Int with a step can have."""
    return int(hp._get_n_values())  # noqa: SLF001 - see above


def set_initial_epoch(model: Any, epoch: int) -> None:
    """Lets `fit`, which is calling its callbacks now, begin with that epoch: what Keras's BackupAndRestore does."""
    model._initial_epoch = epoch  # noqa: SLF001 - see above
