"""Searches of one worker, with real models on a real server."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner import HyperParameters, Objective
from sklearn.tree import DecisionTreeClassifier

from dodona import Client, Study
from dodona.keras import CloudOracle, CloudTuner
from tests.keras.models import DATA, BlackBox, X, Y, build, build_fixed

Tune = Callable[..., CloudTuner]


def test_a_search(tune: Tune, study: Callable[[], Study], capsys: pytest.CaptureFixture[str]) -> None:
    tuner = tune(build, objective="val_accuracy", max_trials=3, seed=7)
    assert [hp.name for hp in tuner.oracle.get_space().space] == ["units", "activation", "optimizer", "lr", "momentum"]
    assert (study().metrics, study().spec.seed, study().state) == ({"val_accuracy": "maximize"}, 7, "ACTIVE")
    assert tuner.remaining_trials == 3
    tuner.search(**DATA, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3, "one line a trial, no progress bars"
    assert re.match(r"trial 1/3  val_accuracy (0|0\.\d+|1) ", lines[0])
    assert (study().state, tuner.remaining_trials) == ("COMPLETED", 0)

    records = study().trials()
    assert [record.state for record in records] == ["SUCCEEDED"] * 3
    for record in records:
        assert [measured.step for measured in record.measurements] == [1, 2]
        assert set(record.metrics) == {"accuracy", "loss", "val_accuracy", "val_loss"}
        assert record.measurements[record.step - 1].metrics == record.metrics
        assert {record.worker} == {tuner.tuner_id}
    best = tuner.oracle.get_best_trials()[0]
    assert best.score == max(record.metrics["val_accuracy"] for record in records)
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(best.score)
    tuner.results_summary()
    tuner.search_space_summary()
    shown = capsys.readouterr().out
    assert f"Trial {best.trial_id} summary" in shown
    assert "Default search space size: 5" in shown


def test_values_have_the_types_that_were_declared(tune: Tune) -> None:
    seen = []

    def build_all(hp: HyperParameters) -> keras.Model:
        values = {
            "int": hp.Int("int", 1, 8),
            "grid": hp.Int("grid", 32, 128, step=32),
            "log": hp.Int("log", 2, 32, step=2, sampling="log"),
            "float": hp.Float("float", 0, 1, step=0.5),
            "choice": hp.Choice("choice", [1.0, 2.0]),
            "flag": hp.Boolean("flag"),
            "choice of bools": hp.Choice("choice of bools", [True, False]),
            "fixed": hp.Fixed("fixed", 5),
            "text": hp.Fixed("text", "adam"),
        }
        seen.append(values)
        return build_fixed(hp)

    tuner = tune(build_all, objective="loss", max_trials=3)
    tuner.search(X, Y, epochs=1, verbose=0)
    for values in [*seen, tuner.get_best_hyperparameters()[0].values]:
        types = {name: type(values[name]) for name in seen[0]}
        assert types == {
            "int": int,
            "grid": int,
            "log": int,
            "float": float,
            "choice": float,
            "flag": bool,
            "choice of bools": bool,
            "fixed": int,
            "text": str,
        }
        assert values["grid"] % 32 == 0
        assert values["log"] in (2, 4, 8, 16, 32)


def test_verbose_0_prints_nothing(tune: Tune, capfd: pytest.CaptureFixture[str]) -> None:
    tune(build_fixed, objective="val_loss", max_trials=2, overwrite=True).search(**DATA, epochs=1, verbose=0)
    assert capfd.readouterr().out == ""


def test_hyperparameters_found_while_a_trial_runs(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            assert "depth" not in study().space or trial.trial_id != "1"
            return x * trial.hyperparameters.Int("depth", 1, 9, default=4)

    tuner = tune(tuner=Tuner, max_trials=3)
    assert study().space == {}
    tuner.search(verbose=0)
    first, *others = study().trials()
    assert first.parameters == {"x": 0.5, "depth": 4}
    assert first.metrics == {"default_objective": 2.0}, "the first trial ran with the defaults"
    assert all(record.parameters.keys() == {"x", "depth"} for record in others)
    assert tuner.oracle.get_trial("1").hyperparameters.values == {"x": 0.5, "depth": 4}


def test_new_entries_that_are_not_allowed(tune: Tune, study: Callable[[], Study]) -> None:
    declared = HyperParameters()
    declared.Float("x", -1.0, 1.0, default=0.25)

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            return x * trial.hyperparameters.Int("depth", 1, 9)

    arguments = {"tuner": Tuner, "hyperparameters": declared, "max_trials": 2}
    with pytest.raises(RuntimeError, match="`allow_new_entries` is `False`, but found new entries"):
        tune(**arguments, allow_new_entries=False).search(verbose=0)
    assert "found new entries" in (study().trials()[0].infeasible_reason or "")
    tune(**arguments, tune_new_entries=False, study_id="t").search(verbose=0)
    assert list(study().space) == ["x"]
    for wrong in ("allow_new_entries", "tune_new_entries"):
        with pytest.raises(ValueError, match=wrong):
            tune(build, study_id="u", **{wrong: False})


@pytest.mark.parametrize("joins", [False, True])
def test_new_entries_that_are_not_tuned_have_their_defaults(
    tune: Tune, study: Callable[[], Study], joins: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(hp: HyperParameters) -> keras.Model:
        hp.Int("late", 1, 5, default=3)
        if hp.Boolean("flag", default=True):
            hp.Int("later", 1, 5, parent_name="flag", parent_values=[True], default=2)
        return build_fixed(hp)

    space = HyperParameters()
    space.Int("seed", 0, 10)
    arguments = {"hyperparameters": space, "tune_new_entries": False, "max_trials": 1}
    if joins:
        # By a worker that does not know of the rest.
        tune(tuner=BlackBox, objective="val_loss", hyperparameters=space)
    tuner = tune(build, objective="val_loss", **arguments)
    tuner.search(**DATA, verbose=0)
    values = tuner.get_best_hyperparameters()[0].values
    assert {name: values[name] for name in ("late", "flag", "later")} == {"late": 3, "flag": True, "later": 2}
    assert set(study().space) == {"seed"}
    assert tuner.oracle.get_space().values == tuner.oracle.hyperparameters.values == {"seed": 0}
    assert [hp.name for hp in tuner.oracle.get_space().space] == ["seed"]
    tuner.search_space_summary()
    assert "Default search space size: 1\nseed (Int)" in capsys.readouterr().out


def test_a_worker_that_is_overtaken_keeps_untuned_entries_to_itself(tune: Tune, study: Callable[[], Study]) -> None:
    space = HyperParameters()
    space.Int("seed", 0, 10)

    def build(hp: HyperParameters) -> keras.Model:
        hp.Int("late", 1, 5)
        if not overtaken:
            overtaken.append(tune(tuner=BlackBox, objective="val_loss", hyperparameters=space, max_trials=5))
        return build_fixed(hp)

    overtaken: list[Any] = []
    tuner = tune(build, objective="val_loss", hyperparameters=space, tune_new_entries=False)
    assert "late" in tuner.oracle.known_space()
    assert "late" not in tuner.oracle.get_space()
    assert set(study().space) == {"seed"}


def test_a_name_in_two_branches_can_be_built_in_each(tune: Tune) -> None:
    def build_twins(hp: HyperParameters) -> keras.Model:
        for kind, most in (("a", 4), ("b", 8)):
            chosen = hp.Choice("kind", ["a", "b"])
            with hp.conditional_scope("kind", [kind]):
                units = hp.Int("units", 2, most)
                assert (units is None) == (chosen != kind)
        return build_fixed(hp)

    tuner = tune(build_twins, objective="loss", max_trials=4, seed=1)
    tuner.search(X, Y, epochs=1, verbose=0)
    assert {trial.status for trial in tuner.oracle.trials.values()} == {"COMPLETED"}
    assert {trial.hyperparameters["kind"] for trial in tuner.oracle.trials.values()} == {"a", "b"}


def test_epochs_are_seen_on_the_server_while_the_trial_runs(tune: Tune, study: Callable[[], Study]) -> None:
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            (record,) = study().trials()
            seen.append([measured.step for measured in record.measurements])

    tuner = tune(build_fixed, objective="val_loss", max_trials=1, executions_per_trial=2)
    tuner.search(**DATA, epochs=2, callbacks=[Watch()], verbose=0)
    assert seen == [[], [1], [1, 2], [1, 2, 3]], "each epoch once, and the second execution goes on"


def test_a_custom_loop_reports_and_stops(tune: Tune, study: Callable[[], Study], stop: Callable[[int], None]) -> None:
    class Loop(CloudTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            model = self.hypermodel.build(trial.hyperparameters)
            for epoch in range(5):
                if epoch == 2:
                    stop(1)
                self.on_epoch_end(
                    trial, model, epoch, logs={"loss": np.float32(1 - epoch / 4), "note": "text", "matrix": X}
                )
                if model.stop_training:
                    break
            return 0.75

    tune(build_fixed, Loop, objective="loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert [measured.metrics for measured in record.measurements] == [{"loss": 1.0}, {"loss": 0.75}, {"loss": 0.5}]
    assert record.metrics == {"loss": 0.75}, "what run_trial returns counts, not the best report"


@pytest.mark.parametrize("overrides_fit", [False, True])
def test_models_load_whoever_fits_them(tune: Tune, overrides_fit: bool) -> None:
    class Tuner(CloudTuner):
        def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            if not overrides_fit:
                return super()._build_and_fit_model(trial, *args, **kwargs)
            model = self.hypermodel.build(trial.hyperparameters)
            return model.fit(*args, **kwargs)

    tuner = tune(build, Tuner, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=2, verbose=0)
    (model,) = tuner.get_best_models(3)
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(tuner.oracle.get_best_trials()[0].score)


def test_an_uncompiled_model(tune: Tune) -> None:
    def build_plain(hp: HyperParameters) -> keras.Model:
        return keras.Sequential([keras.layers.Dense(hp.Int("units", 2, 4)), keras.layers.Dense(1)])

    tuner = tune(
        build_plain,
        objective=Objective("val_mae", "min"),
        max_trials=2,
        optimizer=keras.optimizers.SGD(0.01),
        loss="mse",
        metrics=["mae"],
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=1, verbose=0)
    assert tuner.get_best_models()[0].optimizer.get_config()["learning_rate"] == pytest.approx(0.01)
    assert len(tuner.oracle.get_best_trials(2)) == 2

    compiled = tune(build_fixed, objective="val_loss", max_trials=1, optimizer="adam", study_id="compiled")
    compiled.search(**DATA, epochs=1, verbose=0)
    assert type(compiled.get_best_models()[0].optimizer).__name__ == "Adam"


def test_a_search_without_the_tensorboard_package(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["tensorboard", *(name for name in sys.modules if name.startswith("tensorboard."))]:
        monkeypatch.setitem(sys.modules, name, None)
    tuner = tune(build_fixed, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=1, verbose=0)
    assert tuner.oracle.get_trial("1").status == "COMPLETED"


def test_tensorboard_gets_the_hyperparameters(tune: Tune, tmp_path: Path) -> None:
    tuner = tune(build_fixed, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=1, verbose=0, callbacks=[keras.callbacks.TensorBoard(str(tmp_path / "logs"))])
    assert list((tmp_path / "logs" / "1" / "execution0").glob("events*"))


def test_several_objectives(tune: Tune, study: Callable[[], Study]) -> None:
    tuner = tune(build_fixed, objective=["val_loss", Objective("val_accuracy", "max")], max_trials=2)
    tuner.search(**DATA, epochs=2, verbose=0)
    assert study().metrics == {"multi_objective": "minimize"}
    for record in study().trials():
        sums = [one.metrics["val_loss"] - one.metrics["val_accuracy"] for one in record.measurements]
        assert [one.metrics["multi_objective"] for one in record.measurements] == pytest.approx(sums)
        assert record.metrics["multi_objective"] == pytest.approx(min(sums))


def test_a_study_config(tune: Tune, study: Callable[[], Study]) -> None:
    config = {
        "metrics": [{"metricId": "f", "goal": "MAXIMIZE"}, {"metricId": "cost", "goal": "MINIMIZE"}],
        "parameters": [
            {"parameterId": "x", "doubleValueSpec": {"minValue": -1, "maxValue": 1}},
            {"parameterId": "flag", "categoricalValueSpec": {"values": ["True", "False"]}},
        ],
        "algorithm": "RANDOM_SEARCH",
        "studyStoppingConfig": {"maxNumTrials": 4},
    }

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            flag = trial.hyperparameters.Boolean("flag")
            assert flag is True or flag is False
            cost = float(flag)
            return {"f": x, "cost": cost, "multi_objective": cost - x}

    tuner = tune(tuner=Tuner, study_config=config)
    tuner.search(verbose=0)
    assert study().metrics == {"f": "maximize", "cost": "minimize"}
    assert [spec.parameter_id for spec in study().spec.parameters] == ["x", "flag"]
    scores = [trial.score for trial in tuner.oracle.get_best_trials(4)]
    assert scores == sorted(record.metrics["cost"] - record.metrics["f"] for record in study().trials())
    for twice in (
        {"objective": "loss"},
        {"hyperparameters": HyperParameters()},
        {"max_trials": 5},
        {"algorithm": "grid_search"},
    ):
        with pytest.raises(ValueError, match=r"already|pass it once"):
            tune(study_config=config, tuner=Tuner, **twice)


def test_a_bare_tuner_of_keras_tuner(server_url: str, tmp_path: Path, client: Client) -> None:
    def oracle() -> CloudOracle:
        return CloudOracle(objective="val_accuracy", max_trials=1, url=server_url)

    tuner = keras_tuner.Tuner(oracle(), build_fixed, directory=tmp_path, project_name="bare")
    tuner.search(**DATA, epochs=1, verbose=0)
    (record,) = client.get_study("bare").trials()
    assert record.state == "SUCCEEDED"
    assert record.worker != "tuner0"
    assert not list(tmp_path.rglob("oracle.json"))
    assert tuner.get_best_models()
    with pytest.raises(NotImplementedError, match="its server does"):
        tuner.oracle.populate_space("1")
    with pytest.raises(AttributeError, match="max_trials is the study's"):
        tuner.oracle.max_trials = 9


def test_keras_tuners_tuner_for_scikit_learn(server_url: str, tmp_path: Path, study: Callable[[], Study]) -> None:
    def build_tree(hp: HyperParameters) -> DecisionTreeClassifier:
        return DecisionTreeClassifier(max_depth=hp.Int("depth", 1, 4), random_state=0)

    oracle = CloudOracle(objective=Objective("score", "max"), max_trials=2, study_id="s", url=server_url, worker="w")
    tuner = keras_tuner.SklearnTuner(oracle, build_tree, directory=tmp_path)
    tuner.search(X, Y)
    assert [(record.state, record.worker) for record in study().trials()] == [("SUCCEEDED", "w")] * 2
    assert tuner.get_best_models()[0].predict(X).shape == Y.shape


def test_no_files_but_the_trials(tune: Tune, tmp_path: Path) -> None:
    tune(build_fixed, objective="val_loss", max_trials=1).search(**DATA, epochs=1, verbose=0)
    files = {str(path.relative_to(tmp_path / "tuning")) for path in (tmp_path / "tuning").rglob("*") if path.is_file()}
    assert files == {"s/trial_1/build_config.json", "s/trial_1/checkpoint.weights.h5"}


def test_weights_that_are_elsewhere(tune: Tune, tmp_path: Path) -> None:
    one = tune(build_fixed, objective="val_loss", max_trials=1, tuner_id="gpu-1", upload=False)
    one.search(**DATA, epochs=1, verbose=0)
    other = tune(build_fixed, directory=tmp_path / "other", upload=False)
    with pytest.raises(FileNotFoundError, match=r"trial 1 are neither in .*other.*'gpu-1' trained it"):
        other.get_best_models()
    assert math.isfinite(other.oracle.get_best_trials()[0].score)


def test_the_state_of_an_oracle_is_that_of_keras_tuner(tune: Tune) -> None:
    states = []

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            states.append(self.oracle.get_state())
            return x

    tuner = tune(tuner=Tuner, max_trials=2)
    tuner.search(verbose=0)
    states.append(tuner.oracle.get_state())
    theirs = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=2).get_state()
    assert all(state.keys() == theirs.keys() for state in json.loads(json.dumps(states)))
    assert [state["ongoing_trials"] for state in states] == [{tuner.tuner_id: "1"}, {tuner.tuner_id: "2"}, {}]
    assert (states[-1]["start_order"], states[-1]["end_order"]) == (["1", "2"], ["1", "2"])
    tuner.oracle.set_state(states[0])
    assert tuner.oracle.end_order == ["1", "2"]
