"""TensorBoard: a folder for each execution of a trial, and its hyperparameters for the HParams plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras_tuner.engine.trial import Trial


def log_trial(callbacks: list[Any], trial: Trial, folder: Callable[[str], str]) -> None:
    """Lets the TensorBoard callbacks, if there are any, log into a folder of the trial, its hyperparameters too.

    KerasTuner's own way needs the tensorboard package even if nothing is logged, takes a name that stands under two
    conditions for two hyperparameters of one name, which TensorBoard refuses, and with another backend than TensorFlow
    logs all trials into one folder.

    Args:
        callbacks: of the execution; the one that logs the hyperparameters is added.
        trial: what is logged.
        folder: where the execution is logged, given the folder of a callback.
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
