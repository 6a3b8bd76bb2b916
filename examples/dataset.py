"""Tunes the data together with the model: the noise in the training images, and the batch size.

dodona serve                 # in another terminal
python examples/dataset.py   # as often as you like: all share the study "dataset"
"""

import keras
import numpy as np
from digits import load_data

from dodona.keras import CloudTuner


def build_model(hp):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(hp.Int("units", 16, 128, step=16), activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class DatasetTuner(CloudTuner):
    """Makes each trial's data from its hyperparameters."""

    def _build_and_fit_model(self, trial, x, y, **kwargs):
        hp = trial.hyperparameters
        noise = hp.Float("noise", 0.0, 0.3, step=0.05)
        noisy = x + np.random.default_rng(0).normal(0, noise, x.shape) if noise else x
        batch_size = hp.Choice("batch_size", [32, 64, 128])
        return super()._build_and_fit_model(trial, noisy, y, batch_size=batch_size, **kwargs)


if __name__ == "__main__":
    (x, y), validation_data, _ = load_data()
    tuner = DatasetTuner(build_model, objective="val_accuracy", max_trials=4, study_id="dataset", directory="models")
    tuner.search(x, y, epochs=5, validation_data=validation_data)
    tuner.results_summary(1)
