"""Hyperband: promoted trials really continue, whatever fits the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from dodona import Study
from dodona.keras import CloudOracle, CloudTuner, Hyperband, Tuner
from tests.keras.models import DATA, X, Y, build_fixed

Tune = Callable[..., CloudTuner]


class Watched(Hyperband):
    """Notes the epochs and the first weights of each training."""

    trained: dict[str, list[int]]
    first: dict[str, Any]
    iterations: dict[str, int]

    def on_search_begin(self) -> None:
        self.trained, self.first, self.iterations = {}, {}, {}

    def on_epoch_begin(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        if trial.trial_id not in self.trained:
            self.first[trial.trial_id] = model.get_weights()[0] if model.built else None
            self.iterations[trial.trial_id] = int(model.optimizer.iterations)
        self.trained.setdefault(trial.trial_id, []).append(epoch)


class FitsItself(Watched):
    """As those do who tune their data: no super, and neither epochs nor initial_epoch."""

    def _build_and_fit_model(self, trial: Any, fit_args: Any, fit_kwargs: Any) -> Any:
        model = self.hypermodel.build(trial.hyperparameters)
        return model.fit(
            *fit_args,
            x=fit_kwargs["x"] + 0.01,
            y=fit_kwargs["y"],
            batch_size=16,
            callbacks=fit_kwargs["callbacks"],
            validation_data=fit_kwargs["validation_data"],
            verbose=0,
        )


@pytest.mark.parametrize(("kind", "max_epochs", "sizes"), [(Watched, 4, [4, 2, 1]), (FitsItself, 2, [2, 1])])
def test_promoted_trials_go_on_where_they_ended(
    tune: Tune, kind: type[Watched], max_epochs: int, sizes: list[int]
) -> None:
    # Enough for the first bracket.
    arguments = {"max_epochs": max_epochs, "factor": 2, "max_trials": sum(sizes)}
    tuner = tune(build_fixed, kind, objective="val_loss", seed=0, study_id=kind.__name__, **arguments)
    tuner.search(**DATA, verbose=0)
    study = tuner.oracle.study
    study.refresh()
    assert study.state == "COMPLETED"
    assert study.spec.algorithm.name == "HYPERBAND"
    assert study.spec.seed == 0
    options = {"max_epochs": max_epochs, "factor": 2, "hyperband_iterations": 1}
    assert study.spec.algorithm_options == options
    trials = tuner.oracle.trials
    promoted = {number: trial for number, trial in trials.items() if "tuner/trial_id" in trial.hyperparameters.values}
    assert [trial.hyperparameters.values["tuner/round"] for trial in trials.values()] == [
        number for number, size in enumerate(sizes) for _ in range(size)
    ]
    assert len(promoted) == sum(sizes[1:])
    for number, trial in trials.items():
        values = trial.hyperparameters.values
        begin, end = values["tuner/initial_epoch"], values["tuner/epochs"]
        assert type(begin) is type(end) is int
        assert tuner.trained[number] == list(range(begin, end))
        record = study.trial(int(number))
        assert [measured.step for measured in record.measurements] == list(range(begin + 1, end + 1))
        assert record.metrics == record.measurements[record.step - begin - 1].metrics, "the step is the model's epoch"
    for number, trial in promoted.items():
        values = trial.hyperparameters.values
        parent = trials[values["tuner/trial_id"]]
        assert values["seed"] == parent.hyperparameters.values["seed"]
        assert values["tuner/initial_epoch"] == parent.hyperparameters.values["tuner/epochs"]
        model = tuner.load_model(parent)
        np.testing.assert_array_equal(tuner.first[number], model.get_weights()[0])
        batches = math.ceil(len(X) / (16 if kind is FitsItself else 32))
        assert tuner.iterations[number] == (parent.best_step + 1) * batches, "the optimizer does not start again either"
    (best,) = tuner.get_best_models()
    assert best.evaluate(X, Y, verbose=0, return_dict=True)["loss"] == pytest.approx(
        tuner.oracle.get_best_trials()[0].score
    )


def test_weights_that_are_elsewhere(tune: Tune, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Deletes(Hyperband):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            for path in (tmp_path / "tuning").rglob("*.weights.h5"):
                path.unlink()

    tuner = tune(
        build_fixed,
        Deletes,
        objective="val_loss",
        max_epochs=2,
        factor=2,
        max_trials=3,
        study_id="deletes",
        upload=False,
    )
    tuner.search(**DATA, verbose=0)
    records = tuner.oracle.study.trials()
    assert [record.state for record in records] == ["SUCCEEDED"] * 3
    # The promoted one has no weights to begin with, and so trains all of its epochs.
    assert [[one.step for one in record.measurements] for record in records] == [[1], [1], [1, 2]]
    (warning,) = [record.getMessage() for record in caplog.records if "from the beginning" in record.message]
    assert warning.startswith("trial 3 trains from the beginning for all of its 2 epochs, because it cannot continue")
    assert "the weights of trial" in warning


def test_a_fit_of_ones_own_that_saves_no_weights(tune: Tune) -> None:
    trained: list[tuple[int, int, int]] = []

    class Own(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build_fixed(hp)

        def fit(self, hp: Any, model: Any, *_args: Any, epochs: int, initial_epoch: int, **_kwargs: Any) -> float:
            trained.append((initial_epoch, epochs, hp.values["tuner/initial_epoch"]))
            return float(model.evaluate(X, Y, verbose=0)[0])

    tuner = tune(Own(), Hyperband, objective="val_loss", max_epochs=2, factor=2, max_trials=3)
    tuner.search(**DATA, verbose=0)
    assert [record.state for record in tuner.oracle.study.trials()] == ["SUCCEEDED"] * 3
    assert trained == [(0, 1, 0), (0, 1, 0), (0, 2, 0)]


def test_fit_that_asks_for_other_epochs(tune: Tune) -> None:
    trained = []

    class WarmsUp(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            return build_fixed(hp)

        def fit(self, hp: Any, model: Any, *args: Any, epochs: int, initial_epoch: int, **kwargs: Any) -> Any:
            trained.append(len(model.fit(*args, epochs=1, verbose=0, x=X, y=Y).epoch))
            return model.fit(*args, epochs=epochs, **kwargs)

    tuner = tune(WarmsUp(), Watched, objective="val_loss", max_epochs=2, factor=2, max_trials=3, study_id="warm")
    tuner.search(**DATA, verbose=0)
    assert trained == [1] * 3
    for number, trial in tuner.oracle.trials.items():
        values = trial.hyperparameters.values
        assert tuner.trained[number] == list(range(values["tuner/initial_epoch"], values["tuner/epochs"]))


def test_keras_tuners_own_hyperband_oracle(study: Callable[[], Study], server_url: str, tmp_path: Path) -> None:
    oracle = keras_tuner.oracles.HyperbandOracle(
        "val_loss", max_epochs=2, factor=2, hyperband_iterations=float("inf"), seed=5
    )
    tuner = Tuner(oracle, build_fixed, study_id="s", url=server_url, directory=tmp_path)
    assert study().spec.algorithm_options == {"max_epochs": 2, "factor": 2, "hyperband_iterations": 0}
    assert (study().spec.seed, tuner.oracle.max_trials, tuner.oracle.objective.name) == (5, None, "val_loss")
    bare = CloudOracle(study_id="s", url=server_url)
    assert bare.create_trial("w").hyperparameters.values["tuner/epochs"] == 1
