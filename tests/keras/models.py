"""Hypermodels that train in a blink, and their data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras_tuner import HyperParameters

import dodona.keras

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")
DATA: dict[str, Any] = {"x": X, "y": Y, "validation_data": (X, Y), "batch_size": 32}


def build(hp: HyperParameters) -> keras.Model:
    """A network whose input's shape is known only from the data."""
    model = keras.Sequential(
        [
            keras.layers.Dense(hp.Int("units", 2, 8, step=2), activation=hp.Choice("activation", ["relu", "tanh"])),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    rate = hp.Float("lr", 1e-3, 1e-1, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.0, 0.9) or 0.0
    chosen = keras.optimizers.Adam(rate) if optimizer == "adam" else keras.optimizers.SGD(rate, momentum)
    compile_model(model, chosen)
    return model


def build_fixed(hp: HyperParameters) -> keras.Model:
    """A network with nothing to tune but a seed."""
    model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    hp.Int("seed", 0, 1_000_000)
    compile_model(model, keras.optimizers.SGD(0.1))
    return model


def compile_model(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    # Eagerly: tracing a graph takes longer than these few steps.
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)


class BlackBox(dodona.keras.CloudTuner):
    """Tunes a function of x; subclasses say which."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.value(trial.hyperparameters.Float("x", -1.0, 1.0, default=0.5), trial)

    def value(self, x: float, trial: Any) -> Any:
        return x * x
