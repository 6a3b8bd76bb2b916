"""TensorBoard: a folder for each execution of a trial, and its hyperparameters for the HParams plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras_tuner.engine.trial import Trial


def log_trial(callbacks: list[Any], trial: Trial, folder: Callable[[str], str]) -> None:
    """Make TensorBoard callbacks log into a folder of the trial, with its hyperparameters.

    KerasTuner's own method needs the tensorboard package even without such a callback. It logs a name under two
    conditions as two hyperparameters, which TensorBoard refuses. With a backend other than TensorFlow it logs all
    trials into one folder.

    Args:
        callbacks: the callbacks of the execution; one that logs the hyperparameters is added.
        trial: the trial.
        folder: returns the folder of the execution, given the folder of a callback.
    """
    for callback in callbacks.copy():
        if type(callback).__name__ != "TensorBoard":
            continue
        callback.log_dir = folder(callback.log_dir)
        if keras.backend.backend() == "tensorflow":
            from tensorboard.plugins.hparams import api

            own = {hp.name for hp in trial.hyperparameters.space}
            values = {name: value for name, value in trial.hyperparameters.values.items() if name in own}
            callbacks.append(api.KerasCallback(writer=callback.log_dir, hparams=values, trial_id=trial.trial_id))
