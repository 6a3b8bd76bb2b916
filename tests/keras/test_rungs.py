"""Successive halving, ASHA and freeze-thaw: promoted trials continue from their weights, on another worker too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import dodona.keras
from dodona import Client, Study
from dodona.keras import ASHA, CloudTuner, FreezeThaw, Hyperband, SklearnTuner, SuccessiveHalving
from tests.keras.models import DATA, X, Y, build_fixed

Tune = Callable[..., CloudTuner]


def watched(tuner: type[CloudTuner]) -> type[CloudTuner]:
    """A tuner that notes the epochs and the first weights of each training."""

    class Watched(tuner):  # type: ignore[valid-type, misc]
        def on_search_begin(self) -> None:
            self.trained: dict[str, list[int]] = {}
            self.first: dict[str, Any] = {}
            self.iterations: dict[str, int] = {}

        def on_epoch_begin(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
            if trial.trial_id not in self.trained:
                self.first[trial.trial_id] = model.get_weights()[0] if model.built else None
                self.iterations[trial.trial_id] = int(model.optimizer.iterations)
            self.trained.setdefault(trial.trial_id, []).append(epoch)

    return Watched


@pytest.mark.parametrize(
    ("tuner", "arguments", "options"),
    [
        (SuccessiveHalving, {"initial_trials": 2}, {"initial_trials": 2}),
        (ASHA, {}, {}),
        (CloudTuner, {"algorithm": "asha", "algorithm_options": {"max_resource": 3, "reduction_factor": 2}}, {}),
    ],
    ids=["successive halving", "asha", "by name"],
)
def test_a_promoted_trial_goes_on_on_another_worker(
    tune: Tune,
    study: Callable[[], Study],
    tmp_path: Path,
    tuner: type[CloudTuner],
    arguments: dict[str, Any],
    options: dict[str, Any],
) -> None:
    if tuner is not CloudTuner:
        arguments = {**arguments, "max_epochs": 3, "factor": 2}
    there = {"objective": "val_loss", "max_trials": 2, **arguments}
    tune(build_fixed, tuner, directory=tmp_path / "one", tuner_id="one", **there).search(**DATA, verbose=0)
    assert study().spec.algorithm_options == {"max_resource": 3, "reduction_factor": 2, **options}
    study().set_max_trials(3)
    other = tune(build_fixed, watched(tuner), directory=tmp_path / "other", tuner_id="other", **there)
    other.search(**DATA, verbose=0)
    *first, promoted = study().trials()
    assert [record.worker for record in first] == ["one", "one"]
    assert promoted.worker == "other"
    last = 2 if tuner is not SuccessiveHalving else 3
    parent = min(first, key=lambda record: record.metrics["val_loss"])
    values = promoted.parameters
    assert (values["tuner/trial_id"], values["tuner/initial_epoch"], values["tuner/epochs"]) == (
        str(parent.number),
        1,
        last,
    )
    number = str(promoted.number)
    assert other.trained == {number: list(range(1, last))}
    assert other.iterations == {number: 1}, "the optimizer does not start again either"
    model = other.load_model(other.oracle.get_trial(str(parent.number)))
    np.testing.assert_array_equal(other.first[number], model.get_weights()[0])
    assert [one.step for one in promoted.measurements] == list(range(2, last + 1))


def test_a_hyperparameter_as_fidelity(tune: Tune, study: Callable[[], Study]) -> None:
    def build_wide(hp: Any) -> Any:
        hp.Int("units", 2, 8, step=2)
        return build_fixed(hp)

    tuner = tune(build_wide, watched(ASHA), objective="val_loss", factor=2, max_trials=4, fidelity="units")
    tuner.search(**DATA, epochs=2, verbose=0)
    records = study().trials()
    assert sorted(record.parameters["units"] for record in records) == [2, 2, 2, 4]
    (promoted,) = [record for record in records if record.parameters["units"] == 4]
    parent = records[int(promoted.parameters["tuner/trial_id"]) - 1]
    assert promoted.parameters["seed"] == parent.parameters["seed"]
    # The model may have another shape, so that each training begins anew.
    assert tuner.trained == {str(record.number): [0, 1] for record in records}
    assert set(tuner.iterations.values()) == {0}


def test_scikit_learn(study: Callable[[], Study], server_url: str, tmp_path: Path) -> None:
    def forest(hp: Any) -> Any:
        return RandomForestClassifier(hp.Int("trees", 2, 8), max_depth=hp.Int("depth", 1, 5), random_state=0)

    tuner = SklearnTuner(
        "asha",
        forest,
        algorithm_options={"fidelity": "trees", "reduction_factor": 2},
        max_trials=5,
        study_id="s",
        url=server_url,
        directory=tmp_path,
    )
    tuner.search(X, Y)
    trees = [record.parameters["trees"] for record in study().trials()]
    assert set(trees) <= {2, 4, 8}
    assert trees.count(4) >= 1
    assert [record.state for record in study().trials()] == ["SUCCEEDED"] * 5


def test_their_arguments(tune: Tune, client: Client) -> None:
    given = {"factor": 4, "max_epochs": 30, "min_epochs": 2, "max_trials": 50, "sampler": "tpe", "seed": 0}
    tune(build_fixed, ASHA, objective="val_loss", study_id="asha", **given)
    spec = client.get_study("asha").spec
    assert spec.algorithm.name == "ASHA"
    assert spec.seed == 0
    expected = {"max_resource": 30, "min_resource": 2, "reduction_factor": 4, "sampler": "TPE"}
    assert spec.algorithm_options == expected
    tune(
        build_fixed, SuccessiveHalving, objective="val_loss", study_id="halving", rungs=0, fidelity="seed", min_epochs=9
    )
    options = {"rungs": 0, "fidelity": "seed", "min_resource": 9}
    assert client.get_study("halving").spec.algorithm_options == options
    few = {"initial_trials": 20, "max_epochs": 30, "min_epochs": 3, "sampler": "gp_bandit"}
    tune(build_fixed, FreezeThaw, objective="val_loss", study_id="thaw", **few)
    options = {"initial_trials": 20, "max_resource": 30, "min_resource": 3, "sampler": "GP_BANDIT"}
    assert client.get_study("thaw").spec.algorithm_options == options
    tune(build_fixed, Hyperband, objective="val_loss", study_id="hyper", sampler="gp_bandit")
    assert client.get_study("hyper").spec.algorithm_options == {
        "max_epochs": 100,
        "factor": 3,
        "hyperband_iterations": 1,
        "sampler": "GP_BANDIT",
    }
    with pytest.raises(dodona.InvalidArgument, match="begins at 0"):
        tune(build_fixed, Hyperband, objective="val_loss", study_id="bad", fidelity="seed")
