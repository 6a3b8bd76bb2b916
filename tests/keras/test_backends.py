"""Keras's other backends, and what is said where something is not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from dodona import Study
from tests.support.processes import environment

PROGRAM = """
import sys
sys.modules |= {"tensorflow": None, "sklearn": None}  # this backend does without

import keras
from dodona.keras import Hyperband, RandomSearch
from tests.keras.models import DATA, X, Y

def build(hp):
    layers = [keras.layers.Dense(hp.Int("units", 2, 8)), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

there = {"objective": "val_loss", "directory": sys.argv[1]}
hyperband = Hyperband(build, max_epochs=2, factor=2, max_trials=3, study_id="t", **there)
for tuner in (RandomSearch(build, max_trials=1, study_id="s", **there), hyperband):
    tuner.search(**DATA, epochs=2, verbose=0)
    (model,) = tuner.get_best_models()
    print(keras.backend.backend(), abs(model.evaluate(X, Y, verbose=0)[0] - tuner.oracle.get_best_trials()[0].score))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend(backend: str, server_url: str, study: Callable[[], Study], tmp_path: Path) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; pip install {backend}")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment(DODONA_URL=server_url, KERAS_BACKEND=backend),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        used, difference = line.split()
        assert used == backend
        assert float(difference) < 1e-5
    records = study().trials()
    assert [record.state for record in records] == ["SUCCEEDED"]
    assert len(records[0].measurements) == 2


@pytest.mark.parametrize("missing", ["keras", "keras_tuner", "tensorflow"])
def test_what_is_missing_is_named(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import dodona.keras"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(KERAS_BACKEND="tensorflow"),
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: dodona.keras needs")
    assert missing in last
    assert "pip install 'dodona[keras]', or 'dodona[keras-cpu]' on a machine without a GPU" in last
