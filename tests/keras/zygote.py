"""A process that has imported TensorFlow, and forks a worker for each job that it reads from stdin.

A job is a JSON object of CloudTuner's arguments, with "epochs", the "pause" that each takes in seconds, and a
"journal". The worker's id is printed at once. Into the journal it writes each epoch that it begins and ends, with how
many steps its optimizer has made, and at its end what the best model says.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import Any

import keras
import numpy as np
from keras_tuner import Objective

from dodona.keras import CloudTuner
from tests.keras.models import DATA, X, build_fixed


class Journal(keras.callbacks.Callback):
    """Makes training take a while, and writes down what happens."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__()
        self._path = path
        self._seconds = seconds

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._note("began", epoch)
        time.sleep(self._seconds)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._note("ended", epoch, int(self.model.optimizer.iterations))

    def _note(self, *words: Any) -> None:
        with open(self._path, "a") as file:
            file.write(json.dumps([os.getpid(), *words]) + "\n")


def fingerprint(model: keras.Model) -> str:
    """What a model says about the data, to the last bit."""
    return hashlib.sha256(np.asarray(model(X)).tobytes()).hexdigest()


def work(job: dict[str, Any]) -> None:
    """Runs a search."""
    path, epochs = job.pop("journal"), job.pop("epochs")
    journal = Journal(path, job.pop("pause"))
    # The first epoch is the best: what comes after a crash does not know it.
    tuner = CloudTuner(build_fixed, objective=Objective("val_loss", "max"), algorithm="random_search", **job)
    tuner.search(**DATA, epochs=epochs, callbacks=[journal], verbose=0)
    journal._note("said", fingerprint(tuner.get_best_models()[0]))


def main() -> None:
    """Forks until stdin ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        worker = os.fork()
        if worker == 0:
            try:
                work(json.loads(line))
            finally:
                os._exit(0)
        print(worker, flush=True)


if __name__ == "__main__":
    main()
