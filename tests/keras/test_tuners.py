"""KerasTuner's tuners under their own names, and the oracles they are given."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pandas
import pytest
from keras_tuner import HyperParameters, Objective, oracles
from sklearn import metrics
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeClassifier

import dodona.keras
from dodona import InvalidArgument, Study
from dodona.keras import (
    BaseTuner,
    BayesianOptimization,
    CloudOracle,
    GridSearch,
    RandomSearch,
    SklearnTuner,
    Tuner,
)
from tests.keras.models import X, Y, build, build_fixed


@pytest.fixture
def there(server_url: str, tmp_path: Path) -> dict[str, Any]:
    """The arguments that every tuner of these tests has besides KerasTuner's."""
    return {"study_id": "s", "url": server_url, "directory": tmp_path / "tuning"}


def square(tuner: type[Tuner]) -> type[Tuner]:
    """A tuner of that kind for a function of x and n."""

    def run_trial(self: Any, trial: Any, *args: Any, **kwargs: Any) -> float:
        hp = trial.hyperparameters
        return float(hp.Float("x", -1.0, 1.0, step=0.5) ** 2 + hp.Int("n", 1, 2))

    return type(f"Square{tuner.__name__}", (tuner,), {"run_trial": run_trial})


@pytest.mark.parametrize(
    ("name", "algorithm", "positional", "limit"),
    [
        ("RandomSearch", "RANDOM_SEARCH", (None, "loss", 7, 0), 7),
        ("RandomSearch", "RANDOM_SEARCH", (), 10),
        ("GridSearch", "GRID_SEARCH", (None, "loss", None, 0), None),
        ("BayesianOptimization", "GP_BANDIT", (None, "loss", 7, None, 1e-4, 2.6, 0), 7),
        ("BayesianOptimization", "GP_BANDIT", (), 10),
        ("Hyperband", "HYPERBAND", (None, "loss", 9, 3, 2, 0), None),
    ],
)
def test_their_arguments_and_defaults(
    there: dict[str, Any],
    study: Callable[[], Study],
    name: str,
    algorithm: str,
    positional: tuple[Any, ...],
    limit: int | None,
) -> None:
    tuner = square(getattr(dodona.keras, name))(*positional, **there)
    assert study().spec.algorithm.name == algorithm
    assert tuner.oracle.max_trials == limit
    assert tuner.oracle.objective.name == ("loss" if positional else "default_objective")
    theirs = inspect.signature(getattr(keras_tuner, name)).parameters
    for argument in ("max_retries_per_trial", "max_consecutive_failed_trials", "allow_new_entries"):
        assert getattr(tuner.oracle, argument) == theirs[argument].default
    if positional:
        assert study().spec.seed == 0, "0 is a seed like any other"
    with pytest.raises(TypeError, match="multiple values"):
        getattr(dodona.keras, name)(build, hypermodel=build)


def test_the_arguments_of_tuners_that_are_given_an_oracle() -> None:
    for ours, theirs in (
        (Tuner, keras_tuner.Tuner),
        (SklearnTuner, keras_tuner.SklearnTuner),
        (BaseTuner, keras_tuner.engine.base_tuner.BaseTuner),
    ):
        expected = [name for name in inspect.signature(theirs).parameters if name != "kwargs"]
        assert list(inspect.signature(ours).parameters)[: len(expected)] == expected
        assert issubclass(ours, theirs)


def test_a_grid_ends_when_it_is_exhausted(there: dict[str, Any], study: Callable[[], Study]) -> None:
    space = HyperParameters()
    space.Float("x", -1.0, 1.0, step=0.5)
    space.Int("n", 1, 2)
    tuner = square(GridSearch)(hyperparameters=space, **there)
    tuner.search(verbose=0)
    tried = [tuple(trial.hyperparameters.values.values()) for trial in tuner.oracle.trials.values()]
    assert sorted(tried) == [(x, n) for x in (-1.0, -0.5, 0.0, 0.5, 1.0) for n in (1, 2)]
    assert study().state == "COMPLETED"
    assert tuner.get_best_hyperparameters()[0].values == {"x": 0.0, "n": 1}


def test_a_grid_goes_on_in_another_process(there: dict[str, Any], study: Callable[[], Study]) -> None:
    space = HyperParameters()
    space.Float("x", -1.0, 1.0, step=0.5)
    space.Int("n", 1, 2)
    first = square(GridSearch)(hyperparameters=space, tuner_id="w", **there)
    begun = first.oracle.create_trial("w")
    first.oracle.hand_back()
    second = square(GridSearch)(hyperparameters=space, **there)
    second.search(verbose=0)
    records = study().trials()
    assert (records[0].number, records[0].attempt) == (int(begun.trial_id), 2)
    assert {tuple(record.parameters.values()) for record in records} == {
        (x, n) for x in (-1.0, -0.5, 0.0, 0.5, 1.0) for n in (1, 2)
    }


def test_any_algorithm_by_name(there: dict[str, Any], study: Callable[[], Study]) -> None:
    options = {"n_initial_points": 2}
    tuner = square(Tuner)("skopt_forest", max_trials=3, algorithm_options=options, **there)
    tuner.search(verbose=0)
    assert study().spec.algorithm.name == "SKOPT_FOREST"
    assert study().spec.algorithm_options == options
    assert len(study().trials()) == 3
    with pytest.raises(InvalidArgument, match=r"NO_SUCH_THING is not available; available are .*TPE"):
        square(Tuner)("no_such_thing", **{**there, "study_id": "t"})


def test_settings_of_a_gaussian_process_that_are_learnt_here(
    there: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "dodona"):
        square(BayesianOptimization)(**there)
        assert not caplog.records
        square(BayesianOptimization)(num_initial_points=5, beta=1.5, **{**there, "study_id": "t"})
        square(Tuner)(oracles.BayesianOptimizationOracle("loss", 5, alpha=1e-2), **{**there, "study_id": "u"})
    assert "num_initial_points=5, beta=1.5: no effect" in caplog.text
    assert "alpha=0.01: no effect" in caplog.text


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        (oracles.RandomSearchOracle, "RANDOM_SEARCH"),
        (oracles.GridSearchOracle, "GRID_SEARCH"),
        (oracles.BayesianOptimizationOracle, "GP_BANDIT"),
    ],
)
def test_keras_tuners_oracles_name_an_algorithm(
    there: dict[str, Any], study: Callable[[], Study], kind: type[keras_tuner.Oracle], algorithm: str
) -> None:
    space = HyperParameters()
    space.Float("x", -1.0, 1.0, step=0.5)
    theirs = kind(
        objective=["loss", Objective("f1", "max")],
        max_trials=5,
        seed=3,
        hyperparameters=space,
        tune_new_entries=False,
        max_retries_per_trial=2,
        max_consecutive_failed_trials=4,
    )
    oracle = square(Tuner)(theirs, **there).oracle
    assert isinstance(oracle, CloudOracle)
    assert (study().spec.algorithm.name, study().spec.seed, list(study().space)) == (algorithm, 3, ["x"])
    assert study().metrics == {"multi_objective": "minimize"}
    assert (oracle.max_trials, oracle.max_retries_per_trial, oracle.max_consecutive_failed_trials) == (5, 2, 4)
    assert not oracle.tune_new_entries


class OwnOracle(keras_tuner.Oracle):
    """One whose suggestions no server can make."""


@pytest.mark.parametrize(
    ("oracle", "settings", "message"),
    [
        (OwnOracle("loss"), {}, "of type OwnOracle; it must be a CloudOracle"),
        (5, {}, "of type int"),
        ("tpe", {"algorithm": "cma_es"}, "oracle is 'tpe', which sets algorithm already"),
        (oracles.RandomSearchOracle("loss"), {"max_trials": 3}, "which sets max_trials already"),
        (None, {"tuner_id": "w", "trials_per_process": 0}, "trials_per_process is 0"),
    ],
)
def test_oracles_that_cannot_be_had(there: dict[str, Any], oracle: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        square(Tuner)(oracle, **settings, **there)


def test_a_cloud_oracle_that_is_given(
    server_url: str, tmp_path: Path, study: Callable[[], Study], caplog: pytest.LogCaptureFixture
) -> None:
    oracle = CloudOracle(max_trials=2, study_id="s", url=server_url, worker="w", algorithm="random_search")
    tuner = square(Tuner)(oracle, directory=tmp_path, overwrite=True)
    assert tuner.oracle is oracle
    assert (tuner.tuner_id, tuner.project_name) == ("w", "s")
    tuner.search(verbose=0)
    assert [record.worker for record in study().trials()] == ["w", "w"]
    with pytest.raises(ValueError, match="a CloudOracle is given, which sets max_trials, url already"):
        square(Tuner)(oracle, max_trials=3, url=server_url)
    again = CloudOracle(max_trials=2, study_id="s", url=server_url)
    square(Tuner)(again, directory=tmp_path, overwrite=True)
    assert study().trials() == [], "this process ran all of them"


def test_two_workers_with_default_names_have_different_trials(there: dict[str, Any]) -> None:
    known = HyperParameters()
    known.Float("x", -1.0, 1.0)
    one, other = (square(RandomSearch)(hyperparameters=known, **there) for _ in range(2))
    first, second = (tuner.oracle.create_trial(tuner.tuner_id) for tuner in (one, other))
    assert (first.trial_id, second.trial_id) == ("1", "2")


def test_scikit_learn(there: dict[str, Any], study: Callable[[], Study]) -> None:
    def build_tree(hp: HyperParameters) -> DecisionTreeClassifier:
        return DecisionTreeClassifier(max_depth=hp.Int("depth", 1, 4), random_state=0)

    tuner = SklearnTuner(
        "random_search", build_tree, metrics=metrics.accuracy_score, cv=KFold(2), max_trials=2, seed=1, **there
    )
    tuner.search(pandas.DataFrame(X), Y, sample_weight=np.ones(len(Y)))
    assert study().metrics == {"score": "maximize"}
    for record in study().trials():
        assert record.state == "SUCCEEDED"
        assert record.metrics["score"] == pytest.approx(record.metrics["accuracy_score"])
    assert [model.predict(X).shape for model in tuner.get_best_models(5)] == [Y.shape] * 2
    theirs = oracles.RandomSearchOracle(Objective("score", "max"), max_trials=1)
    SklearnTuner(theirs, build_tree, **{**there, "study_id": "t"}).search(X, Y)


def test_anything_at_all(there: dict[str, Any], study: Callable[[], Study]) -> None:
    class Anything(BaseTuner):
        def run_trial(self, trial: Any, data: Any) -> dict[str, float]:
            slope = trial.hyperparameters.Float("slope", -1.0, 1.0)
            self.save_model(trial.trial_id, slope)
            return {"error": float(np.abs(data * slope).sum())}

        def save_model(self, trial_id: str, model: float, step: int = 0) -> None:
            Path(self.get_trial_dir(trial_id), "slope").write_text(str(model))

        def load_model(self, trial: Any) -> float:
            return float(Path(self.get_trial_dir(trial.trial_id), "slope").read_text())

    tuner = Anything(None, objective=Objective("error", "min"), max_trials=4, tuner_id="w", **there)
    tuner.search(X)
    best = tuner.oracle.get_best_trials()[0]
    assert tuner.get_best_models() == [best.hyperparameters.values["slope"]]
    assert [record.worker for record in study().trials()] == ["w"] * 4


def test_old_spellings(there: dict[str, Any], study: Callable[[], Study], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kerastuner"]:
        monkeypatch.delitem(sys.modules, name)  # it warns when it is first imported
    with pytest.warns(DeprecationWarning, match="import keras_tuner"):
        import kerastuner

    class Old(kerastuner.Tuner):
        def run_trial(self, trial: Any, *args: Any) -> None:
            x = trial.hyperparameters.Float("x", -1.0, 1.0)
            self.oracle.update_trial(trial.trial_id, {"loss": x * x})

    oracle = CloudOracle(objective="loss", max_trials=2, study_id="s", url=there["url"])
    with pytest.warns(DeprecationWarning, match="`logger` argument"):
        tuner = Old(oracle=oracle, logger=object(), tuner_id="w1", directory=there["directory"])
    with pytest.warns(DeprecationWarning, match="update_trial"):
        tuner.search()
    assert [(record.state, record.worker) for record in study().trials()] == [("SUCCEEDED", "w1")] * 2
    with pytest.warns(DeprecationWarning, match="`logger` argument"):
        RandomSearch(build_fixed, "loss", logger=object(), tuner_id="w2", **{**there, "study_id": "t"})
