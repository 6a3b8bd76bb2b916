"""A cluster of two processes that train each trial together: their losses are the mean over both.

python -m tests.keras.replica URL PORT PORT

TensorFlow is imported once, and then each process of the cluster is forked.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import keras
import tensorflow as tf
from keras_tuner import HyperParameters, Objective

from dodona.keras import CloudTuner


class Together(CloudTuner):
    """A loop that a strategy shares out; what this process alone has of a loss is lr plus its index."""

    def run_trial(self, trial: Any, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        lr = trial.hyperparameters.Float("lr", 0.0, 1.0)
        strategy = self.distribution_strategy
        mine = lr + strategy.cluster_resolver.task_id
        model = keras.Model()
        logs: dict[str, float] = {}
        for epoch in range(2):
            share = strategy.run(lambda: tf.constant(mine))
            logs = {"loss": float(strategy.reduce("mean", share, axis=None))}
            self.on_epoch_end(trial, model, epoch, logs)
        return logs


def work(index: int, url: str, ports: list[str]) -> None:
    """Searches as one process of the cluster, and prints how it took part."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    # Before anything else asks TensorFlow for a device.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    space = HyperParameters()
    space.Float("lr", 0.0, 1.0)
    tuner = Together(
        objective=Objective("loss", "min"),
        hyperparameters=space,
        algorithm="random_search",
        max_trials=2,
        study_id="s",
        url=url,
        directory=f"replica-{index}",
        distribution_strategy=strategy,
        tuner_id="cluster",
    )
    tuner.search(verbose=0)
    print(json.dumps([index, tuner.oracle.multi_worker, tuner.oracle.should_report]), flush=True)


def main() -> None:
    """Forks the processes; when one fails, the other would wait for it for ever, and is killed."""
    url, *ports = sys.argv[1:]
    replicas = set()
    for index in range(len(ports)):
        replica = os.fork()
        if replica == 0:
            code = 1
            try:
                work(index, url, ports)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        replicas.add(replica)
    while replicas:
        ended, status = os.wait()
        replicas.discard(ended)
        if status:
            for replica in replicas:
                os.kill(replica, signal.SIGKILL)
            sys.exit(1)


if __name__ == "__main__":
    main()
