"""Tunes something other than a Keras model: a nearest-neighbour classifier in NumPy.

`examples/ask_tell.py` does this without Keras.

dodona serve                  # in another terminal
python examples/anything.py   # as often as you like: all share the study "anything"
"""

import time

import keras_tuner
import numpy as np
from digits import load_data

from dodona.keras import CloudTuner


class NeighbourTuner(CloudTuner):
    """A tuner without a hypermodel: it only has `run_trial`."""

    def run_trial(self, trial, train, validation):
        hp = trial.hyperparameters
        neighbours = hp.Int("neighbours", 1, 30, sampling="log")
        power = hp.Float("power", 0.0, 4.0)
        metric = hp.Choice("metric", ["euclidean", "manhattan"])
        (x, y), (x_val, y_val) = train, validation
        began = time.perf_counter()
        order = 2 if metric == "euclidean" else 1
        far = np.stack([np.linalg.norm(x - one, ord=order, axis=1) for one in x_val])
        nearest = np.argpartition(far, neighbours, axis=1)[:, :neighbours]
        weights = 1 / (np.take_along_axis(far, nearest, axis=1) + 1e-9) ** power
        votes = np.stack([(weights * (y[nearest] == digit)).sum(axis=1) for digit in range(10)], axis=1)
        accuracy = float((votes.argmax(axis=1) == y_val).mean())
        return {"accuracy": accuracy, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    train, validation, _ = load_data()
    tuner = NeighbourTuner(
        objective=keras_tuner.Objective("accuracy", "max"), max_trials=10, study_id="anything", directory="models"
    )
    tuner.search(train, validation)
    tuner.results_summary(1)
