"""Population-based training: weights, optimizer and epochs go on, and mutable hyperparameters change on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from dodona import Study
from dodona.keras import PBT, CloudTuner
from tests.keras.models import DATA, compile_model

Tune = Callable[..., CloudTuner]
POPULATION, INTERVAL, EPOCHS = 3, 2, 6


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dropout(hp.Float("dropout", 0.05, 0.5)),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate, decay = hp.Float("rate", 1e-3, 1e-1, sampling="log"), hp.Float("decay", 1e-5, 1e-2, sampling="log")
    compile_model(model, keras.optimizers.AdamW(rate, weight_decay=decay))
    return model


class Watched(PBT):
    """Notes what each trial trains with, and its first weights."""

    def on_search_begin(self) -> None:
        self.begun: dict[str, dict[str, Any]] = {}
        self.continued: list[tuple[str, str]] = []
        self.trained: dict[str, list[int]] = {}

    def on_trial_continue(self, trial: Any, model: Any, parent: Any) -> None:
        self.continued.append((trial.trial_id, parent.trial_id))

    def on_epoch_begin(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        self.trained.setdefault(trial.trial_id, []).append(epoch)
        self.begun.setdefault(
            trial.trial_id,
            {
                "rate": float(model.optimizer.learning_rate),
                "decay": model.optimizer.weight_decay,
                "dropout": model.layers[1].rate,
                "iterations": int(model.optimizer.iterations),
                "weights": model.get_weights()[0] if model.built else None,
            },
        )


@pytest.fixture
def arguments() -> dict[str, Any]:
    return {
        "objective": "val_loss",
        "population": POPULATION,
        "interval": INTERVAL,
        "max_epochs": EPOCHS,
        "seed": 1,
    }


def test_a_population_trains_and_copies(tune: Tune, study: Callable[[], Study], arguments: dict[str, Any]) -> None:
    tuner = tune(build, Watched, **arguments)
    tuner.search(**DATA, verbose=0)
    records = study().trials()
    assert study().state == "COMPLETED"
    assert study().spec.algorithm.name == "PBT"
    assert [record.state for record in records] == ["SUCCEEDED"] * (POPULATION * EPOCHS // INTERVAL)
    known = {str(record.number): record for record in records}
    copies = 0
    for number, record in known.items():
        values, begun = record.parameters, tuner.begun[number]
        assert tuner.trained[number] == list(range(values["tuner/initial_epoch"], values["tuner/epochs"]))
        # The compiled model has the trial's own values, whatever its weights come from.
        for name in ("rate", "decay", "dropout"):
            assert begun[name] == pytest.approx(values[name], rel=1e-5)
        if "tuner/trial_id" not in values:
            assert begun["iterations"] == 0
            continue
        parent = known[values["tuner/trial_id"]]
        assert (number, str(parent.number)) in tuner.continued
        model = tuner.load_model(tuner.oracle.get_trial(str(parent.number)))
        np.testing.assert_array_equal(begun["weights"], model.get_weights()[0])
        assert begun["iterations"] == parent.step, "one batch an epoch: the optimizer goes on too"
        if parent.parameters["tuner/bracket"] != values["tuner/bracket"]:
            copies += 1
            assert any(values[name] != parent.parameters[name] for name in ("rate", "decay", "dropout"))
    assert copies == 2


def test_a_part_that_is_interrupted_goes_on_on_another_worker(
    tune: Tune, study: Callable[[], Study], arguments: dict[str, Any], tmp_path: Path
) -> None:
    class Interrupted(Watched):
        def on_epoch_begin(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
            super().on_epoch_begin(trial, model, epoch, logs)
            values = trial.hyperparameters.values
            if values["tuner/round"] == 1 and epoch == values["tuner/initial_epoch"] + 1:
                raise KeyboardInterrupt

    arguments |= {"population": 1, "backup_seconds": 0, "mutable": ["rate"]}
    with pytest.raises(KeyboardInterrupt):
        tune(build, Interrupted, directory=tmp_path / "one", tuner_id="one", **arguments).search(**DATA, verbose=0)
    assert [record.state for record in study().trials()] == ["SUCCEEDED", "REQUESTED"]
    other = tune(build, Watched, directory=tmp_path / "other", tuner_id="other", **arguments)
    other.search(**DATA, verbose=0)
    records = study().trials()
    assert [record.state for record in records] == ["SUCCEEDED"] * 3
    assert [[one.step for one in record.measurements] for record in records] == [[1, 2], [3, 4], [5, 6]]
    assert other.trained == {"2": [3], "3": [4, 5]}, "the finished epoch is not trained again"
    assert other.begun["2"]["iterations"] == records[0].step + 1
    assert other.begun["2"]["rate"] == pytest.approx(records[1].parameters["rate"], rel=1e-5)


def test_a_rate_that_a_callback_has_lowered_stays_lowered(tune: Tune, arguments: dict[str, Any]) -> None:
    class Halves(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2

    arguments |= {"population": 1, "interval": 1, "max_epochs": 3}
    tuner = tune(build, Watched, **arguments)
    tuner.search(**DATA, callbacks=[Halves()], verbose=0)
    rates = [begun["rate"] for begun in tuner.begun.values()]
    assert rates == pytest.approx([rates[0], rates[0] / 2, rates[0] / 4])
