"""Measure the overhead of a tuner per trial, in one process: KerasTuner's own search and Dodona's, in turn.

The model is built and compiled, but its training only calls Keras's callbacks, so the rest is the tuner's own work.
"bare" does the same without a tuner and is subtracted. "keras-tuner-frozen" is KerasTuner's search with a garbage
collection that, as in Dodona's, visits only new objects.

    python -m keras_trials URL FOLDER --trials 20 --epochs 1 10 --repeats 5
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

import dodona.keras
from dodona.keras._process.garbage import FrozenObjects

KINDS = ("bare", "keras-tuner", "keras-tuner-frozen", "dodona")


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the trials of a search, in milliseconds per trial: elapsed time and this process's CPU time."""

    kind: str
    epochs: int
    saves: bool
    repeat: int
    wall: float
    cpu: float
    load_average: float


class Untrained(keras_tuner.HyperModel):
    """A small network with a training that does nothing.

    Args:
        saves: whether each epoch is better than the one before, so that the tuner saves the weights after each epoch.

    """

    def __init__(self, saves: bool) -> None:
        super().__init__()
        self._saves = saves

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((8,))])
        for index in range(hp.Int("layers", 1, 3)):
            model.add(keras.layers.Dense(hp.Int(f"units_{index}", 8, 64), activation=hp.Choice("activation", NAMES)))
        model.add(keras.layers.Dense(1))
        model.compile(keras.optimizers.SGD(hp.Float("lr", 1e-4, 1e-1, sampling="log")), "mse")
        return model

    def fit(
        self, _hp: keras_tuner.HyperParameters, model: keras.Model, *_args: Any, epochs: int, **kwargs: Any
    ) -> keras.callbacks.History:
        callbacks = keras.callbacks.CallbackList(
            kwargs.get("callbacks"), model=model, add_history=True, epochs=epochs, steps=1, verbose=0
        )
        callbacks.on_train_begin()
        for epoch in range(epochs):
            callbacks.on_epoch_begin(epoch)
            loss = 1.0 / (epoch + 1) if self._saves else 1.0 + epoch
            callbacks.on_epoch_end(epoch, {"loss": loss, "mae": loss, "val_loss": loss, "val_mae": loss})
        callbacks.on_train_end()
        return model.history


NAMES = ["relu", "tanh", "gelu"]


def searches(url: str, folder: Path, trials: int, epochs: int, saves: bool, name: str) -> dict[str, Callable[[], None]]:
    """Return the searches to measure, by kind: each runs the trials of its own study."""
    hypermodel = Untrained(saves)
    common = {"objective": "val_loss", "max_trials": trials, "directory": folder, "seed": 1}

    def bare() -> None:
        for _ in range(trials):
            hp = keras_tuner.HyperParameters()
            hypermodel.fit(hp, hypermodel.build(hp), epochs=epochs)

    theirs, frozen = (
        keras_tuner.RandomSearch(hypermodel, project_name=f"{kind}-{name}", **common) for kind in KINDS[1:3]
    )
    ours = dodona.keras.CloudTuner(hypermodel, study_id=name, url=url, algorithm="random_search", **common)

    def searched(tuner: keras_tuner.Tuner) -> None:
        tuner.search(epochs=epochs)
        if tuner.remaining_trials:
            raise RuntimeError(f"{tuner.remaining_trials} of {trials} trials were not run")

    def searched_frozen() -> None:
        old = FrozenObjects()
        with old.during_search():
            old.freeze_all()
            searched(frozen)

    found = (bare, lambda: searched(theirs), searched_frozen, lambda: searched(ours))
    return dict(zip(KINDS, found, strict=True))


def costs(url: str, folder: Path, trials: int, epochs: int, saves: bool, repeats: int) -> Iterator[Cost]:
    """Measure each kind in each repeat, every second time in the opposite order."""
    for repeat in range(-1, repeats):
        # The first round warms up.
        count = trials if repeat >= 0 else 3
        found = searches(url, folder, count, epochs, saves, f"{os.getpid()}-{epochs}-{saves}-{repeat}")
        for kind in KINDS[:: 1 if repeat % 2 == 0 else -1]:
            began, cpu = time.perf_counter(), time.process_time()
            # Both print to something that is not a terminal.
            with redirect_stdout(io.StringIO()):
                found[kind]()
            took = [1000 * seconds / trials for seconds in (time.perf_counter() - began, time.process_time() - cpu)]
            if repeat >= 0:
                yield Cost(kind, epochs, saves, repeat, *took, load_average=round(os.getloadavg()[0], 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for epochs in options.epochs:
        for saves in (True, False):
            for cost in costs(options.url, options.folder, options.trials, epochs, saves, options.repeats):
                print(json.dumps(asdict(cost)), flush=True)


if __name__ == "__main__":
    main()
