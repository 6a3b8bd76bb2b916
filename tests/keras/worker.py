"""A worker process of Keras: imports TensorFlow at once, and then runs the searches that it reads from stdin.

Each line is a JSON object of CloudTuner's arguments, with "epochs" and "pause", the seconds that an epoch takes. It
prints when it is ready and, for each search, the numbers of the trials that it has run.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import keras

from dodona.keras import CloudTuner
from tests.keras.models import DATA, build


class Pause(keras.callbacks.Callback):
    """Makes training take a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        time.sleep(self._seconds)


class Tuner(CloudTuner):
    """Remembers what it has run."""

    ran: list[int]

    def on_search_begin(self) -> None:
        self.ran = []

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        self.ran.append(int(trial.trial_id))


def main() -> None:
    """Runs searches until stdin ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        epochs, pause = job.pop("epochs"), Pause(job.pop("pause"))
        tuner = Tuner(build, objective="val_accuracy", **job)
        tuner.search(**DATA, epochs=epochs, callbacks=[pause], verbose=0)
        print(json.dumps(tuner.ran), flush=True)


if __name__ == "__main__":
    main()
