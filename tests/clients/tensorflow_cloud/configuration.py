"""The configuration of a study as tensorflow-cloud makes it."""

from __future__ import annotations

import keras_tuner
from tensorflow_cloud.tuner import utils

PROJECT, REGION = "default", "local"
HERE = f"projects/{PROJECT}/locations/{REGION}"


def space():
    """One parameter of each kind that keras-tuner has."""
    hps = keras_tuner.HyperParameters()
    hps.Float("lr", 1e-4, 1e-1, sampling="log")
    hps.Float("dropout", 0.0, 0.5, step=0.25)
    hps.Int("layers", 1, 4)
    hps.Int("units", 32, 128, step=32)
    hps.Choice("batch", [64, 16, 32])
    hps.Choice("optimizer", ["adam", "sgd"])
    hps.Boolean("bias")
    hps.Fixed("kernel", 3)
    return hps


def configuration(**more):
    objective = keras_tuner.Objective("val_loss", "min")
    return {**utils.make_study_config(objective, space()), **more}
