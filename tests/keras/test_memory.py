"""Memory that is used up, and processes that restart to free it."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner import HyperParameters

from dodona import Study
from dodona.keras import CloudTuner
from dodona.keras._process.garbage import FrozenObjects
from dodona.keras._process.out_of_memory import out_of_memory
from tests.keras.models import DATA, BlackBox, X, Y, compile_model
from tests.support.processes import environment

Tune = Callable[..., CloudTuner]


@pytest.fixture
def nothing_frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a user's program: the tests' own set-up freezes what their imports made."""
    monkeypatch.setattr(FrozenObjects, "are_of_program", False)
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.fixture
def built(tune: Tune) -> tuple[CloudTuner, list[int]]:
    """A tuner of two trials, and how many objects were frozen whenever its hypermodel was built."""
    frozen: list[int] = []

    def build(hp: HyperParameters) -> keras.Model:
        frozen.append(gc.get_freeze_count())
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)))
        return model

    return tune(build, objective="loss", max_trials=2), frozen


@pytest.mark.usefixtures("nothing_frozen")
def test_collections_leave_out_what_was_there_before_the_first_model_and_only_until_the_search_ends(
    built: tuple[CloudTuner, list[int]],
) -> None:
    tuner, frozen = built
    tuner.search(X, Y, verbose=0)
    assert gc.get_freeze_count() == 0
    tuner.get_best_models()
    assert [count > 0 for count in frozen] == [False, True, True, False]


@pytest.mark.usefixtures("nothing_frozen")
def test_a_program_that_freezes_objects_itself_is_left_alone(built: tuple[CloudTuner, list[int]]) -> None:
    tuner, frozen = built
    gc.freeze()
    tuner.search(X, Y, verbose=0)
    assert 0 < gc.get_freeze_count() <= frozen[-1]


def test_a_trial_that_uses_the_memory_up_is_infeasible_and_the_next_goes_on(
    tune: Tune, study: Callable[[], Study]
) -> None:
    def build_huge(hp: HyperParameters) -> keras.Model:
        # A petabyte of weights, and eight numbers. TensorFlow's own initializers fail likewise, but after ten seconds.
        units = hp.Choice("units", [10**15, 2])
        hidden = keras.layers.Dense(units, kernel_initializer=lambda shape, dtype: np.ones(shape))
        model = keras.Sequential([hidden, keras.layers.Dense(2, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(0.1))
        return model

    tuner = tune(build_huge, objective="loss", max_trials=2, algorithm="grid_search", max_retries_per_trial=3)
    tuner.search(X, Y, verbose=0)
    by_units = {record.parameters["units"]: record for record in study().trials()}
    reason = by_units[10**15].infeasible_reason or ""
    assert "FailedTrialError: out of memory: MemoryError: Unable to allocate" in reason.splitlines()[-1]
    assert by_units[10**15].attempt == 1
    assert by_units[2].state == "SUCCEEDED"


def test_memory_that_python_lacks(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            return float(len(bytearray(2**62)))

    tune(tuner=Tuner, max_trials=1).search(verbose=0)
    assert "out of memory: MemoryError" in (study().trials()[0].infeasible_reason or "")


def test_the_graphs_of_a_trial_are_released(tune: Tune) -> None:
    graphs = []

    class Counts(CloudTuner):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            gc.collect()
            graphs.append(sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects()))

    def build_traced(hp: HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.layers.Dense(hp.Int("units", 2, 8)), keras.layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    tune(build_traced, Counts, objective="val_loss", max_trials=3).search(**DATA, verbose=0)
    assert graphs[0] == graphs[1] == graphs[2]


class OutOfMemoryError(RuntimeError):
    """As PyTorch names it."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), "ResourceExhaustedError: OOM when"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate"), "OutOfMemoryError: CUDA out of memory."),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying\nmore"), "RuntimeError: RESOURCE_EXHAUSTED: "),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), "RuntimeError: [enforce"),
        (MemoryError(), "MemoryError: no reason was given"),
        (ValueError("no memory of this name"), None),
    ],
)
def test_how_the_backends_say_it(error: Exception, reason: str | None) -> None:
    wrapped = RuntimeError("while training")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        said = out_of_memory(one)
        assert (said or "").startswith(reason) if reason else said is None


PROGRAM = """
import datetime, os, sys
sys.modules |= {"tensorflow": None, "sklearn": None}  # importing them takes seconds
import dodona.keras
from dodona.keras._study import overwrite

overwrite.QUIET = datetime.timedelta(0)

class Tuner(dodona.keras.Tuner):
    def run_trial(self, trial):
        with open("../ran", "a") as ran:
            name = self.oracle.study_id + trial.trial_id
            print(name, os.getpid(), os.path.basename(sys.argv[0]), sys.argv[1], file=ran)
        return trial.hyperparameters.Float("x", 0.0, 1.0)

os.makedirs("data", exist_ok=True)
os.chdir("data")
for study, trials in (("s", 2), ("t", 1), ("u", 2)):
    tuner = Tuner(study_id=study, max_trials=trials, overwrite=True, trials_per_process=1)
    tuner.search()
print("the end", tuner.remaining_trials)
"""


@pytest.mark.slow
def test_a_program_is_started_anew_after_its_trials(
    server_url: str, study: Callable[[], Study], tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", "an argument"],
        cwd=tmp_path,
        env=environment(DODONA_URL=server_url, KERAS_BACKEND="jax"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the end 0") == 1, "what follows the search runs in the last process"
    ran = [line.split(maxsplit=3) for line in (tmp_path / "ran").read_text().splitlines()]
    assert [number for number, *_ in ran] == ["s1", "s2", "t1", "u1", "u2"], "nothing is started over"
    assert len({tuple(rest) for _, *rest in ran}) == 1, "the same process, program and argument"
    assert ran[0][2:] == ["program.py", "an argument"]
    records = study().trials()
    assert [record.state for record in records] == ["SUCCEEDED"] * 2, "what was begun is not overwritten"
    assert len({record.worker for record in records}) == 1
    assert "joining" not in done.stderr
