"""A worker whose trials sleep: the share of its time that it trains, and that it waits for trials.

It prints "ready" when Keras is imported and starts the search when it reads a line. Then it prints the seconds of its
trials and of its search, from the first request to the end of its last trial.

    python -m keras_sleepers URL STUDY ALGORITHM TRIALS SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import keras_tuner

import dodona.keras


class Sleeper(dodona.keras.CloudTuner):
    """A model that sleeps instead of training, and reports once."""

    seconds: float
    slept = 0.0
    ended = 0.0

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, *_args: Any, **_kwargs: Any) -> float:
        hp = trial.hyperparameters
        value = float(hp.Float("x", -1, 1)) ** 2 + float(hp.Float("y", -1, 1)) ** 2
        began = time.perf_counter()
        time.sleep(self.seconds)
        self.slept += time.perf_counter() - began
        return value

    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        super().on_trial_end(trial)
        self.ended = time.perf_counter()


def main() -> None:
    url, study, algorithm, trials, seconds = sys.argv[1:]
    space = keras_tuner.HyperParameters()
    space.Float("x", -1, 1)
    space.Float("y", -1, 1)
    print("ready", flush=True)
    sys.stdin.readline()
    tuner = Sleeper(
        objective=keras_tuner.Objective("default_objective", "min"),
        hyperparameters=space,
        max_trials=int(trials),
        study_id=study,
        url=url,
        algorithm=algorithm,
        directory="sleepers",
    )
    tuner.seconds = float(seconds)
    began = time.perf_counter()
    tuner.search(verbose=0)
    print(json.dumps([tuner.slept, tuner.ended - began if tuner.ended else 0.0]), flush=True)


if __name__ == "__main__":
    main()
