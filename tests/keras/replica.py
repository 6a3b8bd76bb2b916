"""One process of the cluster that TF_CONFIG tells of: its losses are the mean over all processes.

TF_CONFIG=... python -m tests.keras.replica URL
"""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import tensorflow as tf
from keras_tuner import HyperParameters, Objective

from dodona.keras import CloudTuner

# Before anything else asks TensorFlow for a device.
strategy = tf.distribute.MultiWorkerMirroredStrategy()
index = strategy.cluster_resolver.task_id


class Together(CloudTuner):
    """A loop that a strategy shares out; what this process alone has of a loss is lr plus its index."""

    def run_trial(self, trial: Any, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        lr = trial.hyperparameters.Float("lr", 0.0, 1.0)
        model = keras.Model()
        logs: dict[str, float] = {}
        for epoch in range(2):
            share = strategy.run(lambda: tf.constant(lr + index))
            logs = {"loss": float(strategy.reduce("mean", share, axis=None))}
            self.on_epoch_end(trial, model, epoch, logs)
        return logs


def main() -> None:
    """Searches, and prints the trials that this process took part in."""
    space = HyperParameters()
    space.Float("lr", 0.0, 1.0)
    tuner = Together(
        objective=Objective("loss", "min"),
        hyperparameters=space,
        algorithm="random_search",
        max_trials=2,
        study_id="s",
        url=sys.argv[1],
        directory=f"replica-{index}",
        distribution_strategy=strategy,
        tuner_id="cluster",
    )
    tuner.search(verbose=0)
    print(json.dumps([tuner.oracle.multi_worker, tuner.oracle.should_report]))


if __name__ == "__main__":
    main()
