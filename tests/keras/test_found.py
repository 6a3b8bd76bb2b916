"""Hyperparameters that first appear while trials run: no point is trained twice, and the record says what was used."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
import pytest

from dodona import Client, Study, StudyCompleted
from dodona.keras import BaseTuner, GridSearch, Hyperband, RandomSearch


class Finder(keras_tuner.HyperModel):  # type: ignore[misc]
    """Finds hyperparameters in `fit` alone."""

    def build(self, hp: Any) -> Any:
        hp.Fixed("fixed", 3)
        return keras.Sequential()

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> float:
        hp.Choice("choice", [0, 1, 2])
        return random.random()


class Scoped(keras_tuner.HyperModel):  # type: ignore[misc]
    """Has conditions in `build`, and others, which `build` does not show, in `fit`."""

    def build(self, hp: Any) -> Any:
        self._scoped(hp, "first", [1, 2], [3, 4])
        return keras.Sequential()

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> float:
        self._scoped(hp, "second", [1, 2], [3, 4])
        return random.random()

    def _scoped(self, hp: Any, name: str, on: list[int], off: list[int]) -> None:
        flag = hp.Boolean(name)
        for wanted, values in ((True, on), (False, off)):
            with hp.conditional_scope(name, [wanted]):
                if flag is wanted:
                    hp.Choice(f"{name}_{wanted}", values)


def everything(hp: Any) -> None:
    hp.Choice("units", [2, 4])
    hp.Boolean("dropout", default=True)
    hp.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    hp.Fixed("loss", "mse")


def a_range(hp: Any) -> None:
    hp.Int("int", 1, 5)
    hp.Float("float", 1, 2)


def branches(hp: Any) -> None:
    # No conditional scope: only the program knows that the one or the other is not used.
    if hp.Boolean("flag"):
        hp.Choice("on", [0, 1, 2])
    else:
        hp.Choice("off", [3, 4, 5])


def stepped(hp: Any) -> None:
    rate = hp.Float("rate", 0, 0.3, step=0.1)
    with hp.conditional_scope("rate", [0.1 + 0.2]):
        if rate == 0.3:
            hp.Int("warm", 1, 2)


class Found(BaseTuner):
    """Finds what `declare` declares while its trials run."""

    declare: Callable[[Any], None]

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        type(self).declare(trial.hyperparameters)
        return random.random()


def found(declare: Callable[[Any], None]) -> type[Found]:
    return type("FoundHere", (Found,), {"declare": staticmethod(declare)})


def points(study: Study) -> list[frozenset[tuple[str, Any]]]:
    return [frozenset(record.parameters.items()) for record in study.trials()]


@pytest.mark.parametrize("algorithm", ["grid_search", "shuffled_grid_search", "random_search"])
@pytest.mark.parametrize(
    ("declare", "size"), [(everything, 12), (stepped, 5), (branches, 12)], ids=["everything", "stepped", "branches"]
)
def test_every_point_is_trained_once(
    tune: Callable[..., Any], study: Callable[[], Study], algorithm: str, declare: Callable[[Any], None], size: int
) -> None:
    tuner = tune(tuner=found(declare), algorithm=algorithm)
    tuner.search(verbose=0)
    trained = points(study())
    assert len(set(trained)) == len(trained)
    # Which of the trials first showed the second branch is up to the order; those before it know of none.
    assert len(trained) == size or declare is branches
    assert all(trained)
    assert study().state == "COMPLETED"
    assert {hp.name for hp in tuner.oracle.get_space().space} == set().union(*(dict(point) for point in trained))


@pytest.mark.parametrize(("declare", "size"), [(a_range, 55), (branches, 3 + 3 * 3), (everything, 12)])
def test_a_grid_has_the_size_of_kerastuners(
    tune: Callable[..., Any], study: Callable[[], Study], declare: Callable[[Any], None], size: int
) -> None:
    class Grid(GridSearch):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            declare(trial.hyperparameters)
            return random.random()

    tuner = tune(tuner=Grid)
    tuner.search(verbose=0)
    assert len(tuner.oracle.trials) == size
    assert len(set(points(study()))) == size


def test_the_default_algorithm_does_not_train_the_defaults_again(
    tune: Callable[..., Any], study: Callable[[], Study]
) -> None:
    def declare(hp: Any) -> None:
        hp.Float("lr", 1e-4, 1e-1, sampling="log")
        layers = hp.Int("layers", 1, 3)
        with hp.conditional_scope("layers", [3]):
            if layers == 3:
                hp.Float("dropout", 0.1, 0.7)

    tune(tuner=found(declare), max_trials=3).search(verbose=0)
    first, *others = study().trials()
    assert first.parameters == {"lr": 1e-4, "layers": 1}
    for record in others:
        assert record.parameters != pytest.approx(first.parameters, rel=1e-9)


@pytest.mark.parametrize(("hypermodel", "size"), [(Finder, 3), (Scoped, 16)])
def test_what_fit_finds_is_on_the_grid(
    tune: Callable[..., Any], study: Callable[[], Study], hypermodel: type[keras_tuner.HyperModel], size: int
) -> None:
    tuner = tune(hypermodel(), GridSearch)
    tuner.search(verbose=0)
    trained = points(study())
    assert len(trained) == len(set(trained)) == size
    # The first trial, which began without them, has what it found.
    assert len(dict(trained[0])) == len(dict(trained[-1]))


def test_a_grid_with_two_workers_trains_no_point_twice(tune: Callable[..., Any], study: Callable[[], Study]) -> None:
    tuners = [tune(tuner=found(everything), algorithm="grid_search", tuner_id=name) for name in ("one", "two")]
    threads = [threading.Thread(target=_search, args=(tuner,)) for tuner in tuners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trained = points(study())
    assert len(trained) == len(set(trained)) == 12


def test_who_asks_while_the_first_trial_runs_here_is_told_to_come_again(
    tune: Callable[..., Any], study: Callable[[], Study]
) -> None:
    oracle = tune(tuner=found(a_range), max_trials=4).oracle
    first = oracle.create_trial("one")
    assert (first.status, first.hyperparameters.values) == ("RUNNING", {})
    assert oracle.create_trial("two").status == "IDLE"
    assert [record.state for record in study().trials()] == ["ACTIVE"]
    # It fails before it has found anything, so the next one begins again.
    oracle.end_trial(first.trial_id, "FAILED")
    second = oracle.create_trial("two")
    assert (second.status, second.hyperparameters.values) == ("RUNNING", {})
    assert oracle.create_trial("one").status == "IDLE"
    a_range(second.hyperparameters)
    oracle.update_trial(second.trial_id, {oracle.objective.name: 1.0})
    oracle.end_trial(second.trial_id)
    third, fourth = (oracle.create_trial(name) for name in ("one", "two"))
    assert third.hyperparameters.values != fourth.hyperparameters.values
    assert set(third.hyperparameters.values) == {"int", "float"}


def _search(tuner: Any) -> None:
    # By hand: `search` wants the main thread for its signals.
    oracle = tuner.oracle
    while (trial := oracle.create_trial(tuner.tuner_id)).status == "RUNNING":
        oracle.update_trial(trial.trial_id, {oracle.objective.name: tuner.run_trial(trial)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_a_failed_trial_has_what_it_used(tune: Callable[..., Any], study: Callable[[], Study]) -> None:
    class Failing(BaseTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            if trial.hyperparameters.Int("x", 1, 3) == 1:
                raise keras_tuner.errors.FailedTrialError("one is too few")
            return 0.5

    tune(tuner=Failing, algorithm="grid_search").search(verbose=0)
    assert [(record.state, record.parameters) for record in study().trials()] == [
        ("INFEASIBLE", {"x": 1}),
        ("SUCCEEDED", {"x": 2}),
        ("SUCCEEDED", {"x": 3}),
    ]


@pytest.mark.parametrize("where", ["run_trial", "fit"])
def test_hyperbands_first_trial_knows_its_epochs(
    tune: Callable[..., Any], study: Callable[[], Study], where: str
) -> None:
    epochs = []

    class Searched(Hyperband):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            epochs.append(trial.hyperparameters.values["tuner/epochs"])
            if where == "run_trial":
                return float(trial.hyperparameters.Int("x", 1, 100))
            return super().run_trial(trial, *args, **kwargs)

    class Fitted(keras_tuner.HyperModel):  # type: ignore[misc]
        def build(self, hp: Any) -> Any:
            return keras.Sequential()

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> float:
            return float(hp.Int("x", 1, 100))

    objective = keras_tuner.Objective("loss", "min")
    tune(Fitted() if where == "fit" else None, Searched, objective=objective, max_epochs=4, factor=2).search(verbose=0)
    records = study().trials()
    assert [record.parameters["tuner/epochs"] for record in records] == epochs
    assert all("x" in record.parameters for record in records)
    plain = {"tuner/bracket": 2, "tuner/round": 0, "tuner/epochs": 1, "tuner/initial_epoch": 0}
    assert records[0].parameters == {"x": 1, **plain}


def test_a_finished_study_says_why(
    tune: Callable[..., Any], client: Client, study: Callable[[], Study], capsys: pytest.CaptureFixture[str]
) -> None:
    tune(tuner=found(everything), algorithm="random_search").search(verbose=0)
    tune(tuner=found(everything), algorithm="random_search").search()
    assert "the study 's' has no trial left to hand out: nothing is left to try" in capsys.readouterr().out
    with pytest.raises(StudyCompleted, match="nothing is left to try"):
        study().ask()

    tune(tuner=found(everything), study_id="t", max_trials=2).search(verbose=0)
    tune(tuner=found(everything), study_id="t", max_trials=2).search()
    assert "the study 't' has no trial left to hand out: the budget is used up" in capsys.readouterr().out


def test_random_search_ends_when_everything_was_tried(tune: Callable[..., Any], study: Callable[[], Study]) -> None:
    def build(hp: Any) -> Any:
        hp.Choice("units", [2, 4])
        with hp.conditional_scope("units", [4]):
            hp.Boolean("dropout")
        return keras.Sequential()

    class Searched(RandomSearch):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            return random.random()

    tune(build, Searched, max_trials=30).search(verbose=0)
    assert sorted(map(len, points(study()))) == [1, 2, 2]
