"""What is said of an objective that is not there, that is no number, or that no stopped trial has measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras_tuner import Objective
from keras_tuner.errors import FatalError

from dodona import Study
from dodona.keras import CloudOracle, CloudTuner
from tests.keras.measuring import Returns, Second, history
from tests.keras.models import DATA, BlackBox, X, Y, build_fixed

Tune = Callable[..., CloudTuner]


def epochs_trained(callbacks: list[Any]) -> list[int]:
    trained: list[int] = []

    class Counts(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            trained.append(epoch)

    callbacks.append(Counts())
    return trained


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ({}, 1),
        ({"validation_freq": 2}, 2),
        ({"callbacks": [keras.callbacks.EarlyStopping("loss")]}, 1),
        ({"callbacks": [Second()]}, 4),
    ],
    ids=["first-epoch", "first-validation", "keras-callbacks", "a-callback-that-measures"],
)
def test_a_missing_objective_is_told_as_soon_as_it_is_known(
    tune: Tune, study: Callable[[], Study], arguments: dict[str, Any], first: int
) -> None:
    callbacks = list(arguments.get("callbacks", ()))
    trained = epochs_trained(callbacks)
    tuner = tune(build_fixed, objective=Objective("val_acc", "max"), max_trials=5, executions_per_trial=2)
    with pytest.raises(FatalError, match=r"specified objective, val_acc\. It has 'accuracy', 'loss'") as error:
        tuner.search(**DATA, epochs=4, verbose=0, **{**arguments, "callbacks": callbacks})
    assert len(trained) == first
    (record,) = study().trials()
    assert (record.state, len(record.measurements)) == ("INFEASIBLE", first)
    assert "'val_accuracy'" in str(error.value)
    assert str(error.value) in (record.infeasible_reason or "")


@pytest.mark.parametrize(
    ("objective", "data", "message"),
    [
        ("val_loss", {"x": X, "y": Y}, r"objective, val_loss\. It has 'accuracy', 'loss'\. Nothing was validated"),
        (["val_loss", Objective("b", "max")], DATA, r"objective, b\. It has 'accuracy', 'loss', 'val_"),
        (None, DATA, r"History of HyperModel\.fit\(\) to be a single float .* It has 'accuracy'"),
    ],
    ids=["no-validation", "one-of-several", "none-is-said"],
)
def test_what_a_missing_objective_is_told_by(
    tune: Tune, study: Callable[[], Study], objective: Any, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(FatalError, match=message):
        tune(build_fixed, objective=objective, max_trials=3).search(**data, epochs=1, verbose=0)
    assert [record.state for record in study().trials()] == ["INFEASIBLE"]


def test_an_objective_that_is_computed_after_fit_is_awaited(tune: Tune, study: Callable[[], Study]) -> None:
    tune(Returns(), objective=Objective("mine", "min"), max_trials=1).search(**DATA, epochs=2, verbose=0)
    assert study().trials()[0].metrics == {"mine": 1.0}


@pytest.mark.parametrize(
    "returned",
    [{"a": 1.0, "b": "x"}, history([0], a=[1.0], b=[2.0]), [{"a": 1.0, "b": 2.0}], None],
    ids=["dict", "history", "list", "reports"],
)
def test_a_missing_objective_that_is_returned(tune: Tune, study: Callable[[], Study], returned: Any) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            self.on_epoch_end(trial, keras.Sequential(), 0, {"a": 1.0, "b": 2.0})
            return returned

    with pytest.raises(FatalError, match=r"specified objective, c\. It has 'a', 'b'"):
        tune(tuner=Tuner, objective=Objective("c", "min"), max_trials=3).search(verbose=0)
    (record,) = study().trials()
    assert "It has 'a', 'b'" in (record.infeasible_reason or "")


def test_a_missing_objective_that_is_handed_to_the_oracle(server_url: str) -> None:
    oracle = CloudOracle(objective="loss", max_trials=1, study_id="s", url=server_url)
    trial = oracle.create_trial("w")
    with pytest.raises(ValueError, match=r"Objective value missing .* It has 'a'"):
        oracle.update_trial(trial.trial_id, {"a": 1.0})


def test_an_objective_that_is_no_number_fails_its_trial_alone(tune: Tune, study: Callable[[], Study]) -> None:
    values = [None, "0.5", np.eye(2), 2.0]

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return {"loss": values.pop(0), "other": 1.0}

    tune(tuner=Tuner, objective="loss", max_trials=4, max_consecutive_failed_trials=4).search(verbose=0)
    assert [record.state for record in study().trials()] == ["INFEASIBLE"] * 3 + ["SUCCEEDED"]
    reason = study().trials()[0].infeasible_reason or ""
    assert (
        "the objective loss in the returned dictionary from Tuner.run_trial() is None, which is not a number" in reason
    )


def test_a_part_of_the_objective_that_is_no_number(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return {"a": 1.0, "b": "text"}

    tune(tuner=Tuner, objective=[Objective("a", "min"), Objective("b", "max")], max_trials=1).search(verbose=0)
    assert "the objective b in the returned dictionary" in (study().trials()[0].infeasible_reason or "")


def test_a_trial_that_is_stopped_before_the_objective_is_measured_ends_no_search(
    tune: Tune, study: Callable[[], Study], stop: Callable[[int], None]
) -> None:
    class StopsFirst(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if study().trial(1).state == "ACTIVE":
                stop(1)

    tuner = tune(build_fixed, objective="val_loss", max_trials=2)
    tuner.search(**DATA, epochs=2, validation_freq=2, callbacks=[StopsFirst()], verbose=0)
    first, second = study().trials()
    assert (first.state, second.state) == ("INFEASIBLE", "SUCCEEDED")
    assert "the trial was stopped" in (first.infeasible_reason or "")


def test_of_an_execution_that_is_stopped_too_early_the_others_count(
    tune: Tune, study: Callable[[], Study], stop: Callable[[int], None]
) -> None:
    begun: list[int] = []

    class StopsThird(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            begun.append(epoch)
            if len(begun) == 3:
                stop(1)

    tuner = tune(build_fixed, objective="val_loss", max_trials=1, executions_per_trial=2)
    tuner.search(**DATA, epochs=2, validation_freq=2, callbacks=[StopsThird()], verbose=0)
    (record,) = study().trials()
    assert (record.state, begun) == ("SUCCEEDED", [0, 1, 0])
    assert record.metrics == record.measurements[1].metrics
