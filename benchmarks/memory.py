"""Measure how the memory of a worker grows per trial, with Dodona and with plain KerasTuner.

    dodona serve &
    DODONA_URL=http://127.0.0.1:8080 python benchmarks/memory.py dodona
    python benchmarks/memory.py keras-tuner

It prints the resident memory after each tenth of the trials, and the growth per trial in the last half, when Keras has
loaded everything.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
import psutil

import dodona.keras

X = np.random.default_rng(0).normal(size=(256, 32)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Return a network of up to a million weights, traced as a graph."""
    model = keras.Sequential([keras.Input((32,))])
    for _ in range(hp.Int("layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Int("units", 64, 512, step=64), activation="relu"))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def watched(tuner: type[keras_tuner.Tuner], seen: list[float], tenth: int) -> type[keras_tuner.Tuner]:
    """Return a tuner that records the resident memory in MB after each trial and prints it after each tenth."""

    class Watched(tuner):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            seen.append(psutil.Process().memory_info().rss / 1e6)
            if len(seen) % tenth == 0:
                print(f"{len(seen):6} trials {seen[-1]:8.1f} MB", flush=True)

    return Watched


def main() -> None:
    """Run one search and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tuner", choices=["dodona", "keras-tuner"])
    parser.add_argument("--trials", type=int, default=200)
    arguments = parser.parse_args()
    kind = dodona.keras.RandomSearch if arguments.tuner == "dodona" else keras_tuner.RandomSearch
    seen: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        print(f"{arguments.tuner}, {arguments.trials} trials, {keras.backend.backend()}, Keras {keras.__version__}")
        tuner = watched(kind, seen, arguments.trials // 10)(
            build,
            "val_loss",
            max_trials=arguments.trials,
            seed=1,
            directory=folder,
            project_name=f"memory-{os.getpid()}",
        )
        tuner.search(X, Y, validation_data=(X, Y), epochs=1, verbose=0)
    half = arguments.trials // 2
    slope = np.polyfit(range(half), seen[-half:], 1)[0]
    print(f"growth over the last {half}: {slope * 1000:.0f} kB a trial")


if __name__ == "__main__":
    main()
