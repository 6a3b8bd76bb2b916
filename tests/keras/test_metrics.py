"""What counts as a result, in every way in which one comes in."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner import HyperModel, HyperParameters, Objective
from keras_tuner.errors import FatalError

from dodona import Study
from dodona.keras import CloudTuner
from dodona.keras._mapping.epochs import epochs_of
from dodona.keras._mapping.metrics import numbers
from tests.keras.interrupting import NEVER, Interrupted, Leave
from tests.keras.measuring import Returns, Second, history
from tests.keras.models import DATA, BlackBox, X, Y, build_fixed

Tune = Callable[..., CloudTuner]

# Each with what it counts as; the others are left out.
COUNTED = {
    "int": (3, 3.0),
    "numpy": (np.float32(0.5), 0.5),
    "decimal": (Decimal("0.5"), 0.5),
    "tensor": (tf.constant(0.5), 0.5),
    "by class": (np.array([0.0, 0.5, 1.0], "float32"), 0.5),
    "vector": (tf.constant([0, 1]), 0.5),
    "list": ([0.25, 0.75], 0.5),
    "bool": (True, 1.0),
}
LEFT_OUT = {
    "none": None,
    "text": "0.5",
    "text in an array": np.array("0.5"),
    "texts": ["0.5", "1"],
    "matrix": np.eye(2),
    "empty": np.array([]),
    "some none": [1.0, None],
    "nested": {"a": 1.0},
    "ragged": [[1.0], [1.0, 2.0]],
    "object": object(),
    "complex": 1j,
    "huge": 10**400,
    "nul\0": 1.0,
    "": 1.0,
    7: 1.0,
    "x" * 300: 1.0,
}
GIVEN = {name: value for name, (value, _) in COUNTED.items()} | LEFT_OUT
EXPECTED = {name: number for name, (_, number) in COUNTED.items()}


def test_the_rule() -> None:
    assert numbers(GIVEN) == EXPECTED


def filled() -> keras.callbacks.History:
    return history([0], **{str(name): [value] for name, value in {"loss": 2.0, **GIVEN}.items() if name != 7})


@pytest.mark.parametrize(
    "returned",
    [
        pytest.param(lambda: {"loss": 2.0, **GIVEN}, id="dict"),
        pytest.param(lambda: [{"loss": 2.0, **GIVEN}, {"loss": 2.0, **GIVEN}], id="dicts"),
        pytest.param(filled, id="history"),
        pytest.param(lambda: [filled(), {"loss": 2.0}], id="history-and-dict"),
    ],
)
def test_one_rule_for_what_is_returned(tune: Tune, study: Callable[[], Study], returned: Callable[[], Any]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return returned()

    tune(tuner=Tuner, objective="loss", max_trials=1).search(verbose=0)
    assert study().trials()[0].metrics == {"loss": 2.0, **EXPECTED}


def test_one_rule_for_what_is_handed_to_the_oracle(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> None:
            self.on_epoch_end(trial, keras.Sequential(), 0, {"loss": 2.0, **GIVEN})
            self.oracle.update_trial(trial.trial_id, {"loss": [1.0, 3.0], **GIVEN})

    tune(tuner=Tuner, objective="loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert record.metrics == record.measurements[0].metrics == {"loss": 2.0, **EXPECTED}


def test_results_of_several_steps_are_not_mixed(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> None:
            self.oracle.update_trial(trial.trial_id, {"loss": 2.0, "early": 1.0}, step=0)
            self.oracle.update_trial(trial.trial_id, {"loss": 1.0, "late": 2.0}, step=1)

    tune(tuner=Tuner, objective="loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert (record.metrics, record.step) == ({"loss": 1.0, "late": 2.0}, 2)


def build_by_class(hp: HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    hp.Int("seed", 0, 1_000_000)
    f1 = keras.metrics.F1Score(name="f1")
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=[f1], run_eagerly=True)
    return model


BY_CLASS: dict[str, Any] = {**DATA, "y": np.eye(2)[Y], "validation_data": (X, np.eye(2)[Y])}


@pytest.mark.parametrize("objective", ["val_loss", Objective("val_f1", "max")])
def test_a_metric_by_class_with_backups_and_executions(tune: Tune, study: Callable[[], Study], objective: Any) -> None:
    tuner = tune(build_by_class, objective=objective, max_trials=1, executions_per_trial=2, backup_seconds=0)
    tuner.search(**BY_CLASS, epochs=2, verbose=0)
    (record,) = study().trials()
    assert record.state == "SUCCEEDED"
    first, second = record.measurements[:2], record.measurements[2:]
    name = objective if isinstance(objective, str) else objective.name
    choose = min if name == "val_loss" else max
    best = [choose(one.metrics[name] for one in measured) for measured in (first, second)]
    assert record.metrics[name] == pytest.approx(sum(best) / 2)


def test_a_metric_by_class_when_a_trial_goes_on(tune: Tune, study: Callable[[], Study]) -> None:
    interrupted = Interrupted(tune)
    data = dict(DATA)
    DATA.update(BY_CLASS)
    try:
        assert interrupted(5, build_by_class, executions_per_trial=2, objective=Objective("val_f1", "max")) == [2]
    finally:
        DATA.update(data)
    (record,) = study().trials()
    values = [one.metrics["val_f1"] for one in record.measurements]
    assert len(values) == 6
    assert record.metrics["val_f1"] == pytest.approx((max(values[:3]) + max(values[3:])) / 2)


# --- every second epoch


def test_an_objective_that_is_measured_in_every_second_epoch(tune: Tune, study: Callable[[], Study]) -> None:
    weights: list[Any] = []

    class Watches(CloudTuner):
        def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
            weights.append(model.get_weights()[0])

    tuner = tune(build_fixed, Watches, objective=Objective("own", "min"), max_trials=1)
    tuner.search(**DATA, epochs=6, validation_freq=3, callbacks=Second(), verbose=0)
    (record,) = study().trials()
    assert (record.step, record.metrics["own"]) == (4, 1.0)
    assert record.metrics == record.measurements[3].metrics, "all of the same epoch"
    assert "val_loss" not in record.metrics
    np.testing.assert_array_equal(tuner.get_best_models()[0].get_weights()[0], weights[3])


@pytest.mark.parametrize(("freq", "after", "trained"), [(2, 3, [3]), ([1, 3], 2, [2, 3])])
def test_validation_in_some_epochs_when_a_trial_goes_on(
    tune: Tune, study: Callable[[], Study], freq: Any, after: int, trained: list[int]
) -> None:
    leave = Leave(after)
    arguments = {"objective": Objective("val_loss", "max"), "max_trials": 1, "backup_seconds": 0}
    fit = {**DATA, "epochs": 4, "validation_freq": freq, "callbacks": [leave], "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        tune(build_fixed, **arguments).search(**fit)
    leave.after = NEVER
    tune(build_fixed, **arguments).search(**fit)
    assert leave.trained[after:] == trained
    (record,) = study().trials()
    assert record.metrics == record.measurements[record.step - 1].metrics
    assert record.metrics["val_loss"] == max(one.metrics.get("val_loss", 0.0) for one in record.measurements)


@pytest.mark.parametrize(
    ("made", "epochs"),
    [
        (history([0, 1], a=[1.0, 2.0], val_a=[3.0, 4.0]), [(0, {"a": 1, "val_a": 3}), (1, {"a": 2, "val_a": 4})]),
        (history([0, 1], a=[1.0, 2.0], val_a=[4.0]), [(0, {"a": 1}), (1, {"a": 2, "val_a": 4})]),
        (history([4, 5, 6], a=[1.0, 2.0, 3.0], val_a=[4.0, 5.0]), [(4, {"a": 1}), (5, {"a": 2}), (6, {"a": 3})]),
        (history(a=[1.0, 2.0]), [(0, {"a": 1}), (1, {"a": 2})]),
        (history([0, 1], a=[1.0, None]), [(0, {"a": 1}), (1, {})]),
        (history(a=0.5), [(0, {"a": 0.5})]),
        (history(), []),
    ],
    ids=["all", "second", "unknown", "by-hand", "none", "scalar", "empty"],
)
def test_the_epochs_of_a_bare_history(made: keras.callbacks.History, epochs: list[Any]) -> None:
    assert [(epoch, metrics) for epoch, metrics in epochs_of(made) if epoch >= 0] == epochs


def test_an_epoch_that_is_not_known_is_mixed_with_none(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return history([0, 1, 2], loss=[9.0, 8.0, 7.0], other=[0.5], val_loss=[2.0], val_a=[5.0])

    tune(tuner=Tuner, objective="val_loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert (record.metrics, record.step) == ({"val_loss": 2.0, "val_a": 5.0}, 0)


def test_the_history_of_an_overridden_run_trial(tune: Tune, study: Callable[[], Study]) -> None:
    made: list[Any] = []

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            model = build_fixed(trial.hyperparameters)
            made.append(model.fit(**DATA, epochs=4, validation_freq=2, verbose=0))
            return made[0]

    tune(tuner=Tuner, objective=Objective("val_loss", "max"), max_trials=1).search(verbose=0)
    (record,) = study().trials()
    values = made[0].history["val_loss"]
    best = values.index(max(values))
    assert record.step == 2 * best + 2
    assert record.metrics["loss"] == made[0].history["loss"][2 * best + 1]


def test_the_lists_of_a_history(tune: Tune, study: Callable[[], Study]) -> None:
    class Lists(Returns):
        def fit(self, hp: HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            return model.fit(*args, **kwargs).history

    tuner = tune(Lists(), objective="val_loss", max_trials=1, executions_per_trial=2, backup_seconds=0)
    tuner.search(**DATA, epochs=4, validation_freq=2, verbose=0)
    (record,) = study().trials()
    executions = record.measurements[:4], record.measurements[4:]
    best = [min(one.metrics.get("val_loss", 9.0) for one in measured) for measured in executions]
    assert record.metrics["val_loss"] == pytest.approx(sum(best) / 2)


def test_epochs_without_a_number_are_not_the_best(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return history([0, 1, 2], loss=[float("nan"), 2.0, 3.0])

    tune(tuner=Tuner, objective="loss", max_trials=1).search(verbose=0)
    assert (study().trials()[0].metrics, study().trials()[0].step) == ({"loss": 2.0}, 2)


# --- a History that `fit` did not fill


class Loops(HyperModel):
    """Calls the callbacks itself, and returns a History that knows nothing."""

    losses = (3.0, 1.0, 2.0)

    def build(self, hp: HyperParameters) -> keras.Model:
        return build_fixed(hp)

    def fit(self, hp: HyperParameters, model: keras.Model, x: Any, callbacks: Any, **_kwargs: Any) -> Any:
        model.build(x.shape)
        called = keras.callbacks.CallbackList(callbacks, model=model)
        for epoch, loss in enumerate(self.losses):
            called.on_epoch_begin(epoch)
            called.on_epoch_end(epoch, {"val_loss": loss})
        return keras.callbacks.History()


def test_a_history_that_fit_did_not_fill_has_what_was_reported(tune: Tune, study: Callable[[], Study]) -> None:
    tune(Loops(), objective="val_loss", max_trials=1, executions_per_trial=2).search(**DATA, verbose=0)
    (record,) = study().trials()
    assert (record.metrics, record.step, len(record.measurements)) == ({"val_loss": 1.0}, 2, 6)


@pytest.mark.parametrize("listed", [False, True])
def test_so_has_one_that_run_trial_returns(tune: Tune, study: Callable[[], Study], listed: bool) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            for epoch, loss in enumerate((3.0, 1.0, 2.0)):
                self.on_epoch_end(trial, keras.Sequential(), epoch, {"loss": loss})
            return [keras.callbacks.History()] if listed else keras.callbacks.History()

    tune(tuner=Tuner, objective="loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert (record.metrics, record.step) == ({"loss": 1.0}, 2)


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_history_without_any_metric(tune: Tune, study: Callable[[], Study], epochs: int) -> None:
    class Empty(HyperModel):
        def build(self, hp: HyperParameters) -> keras.Model:
            return build_fixed(hp)

        def fit(self, hp: HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            model.build((None, 4))
            return model.fit(X, Y, epochs=0, verbose=0) if epochs else keras.callbacks.History()

    with pytest.raises(FatalError, match=r"specified objective, val_loss\. It has no metric at all"):
        tune(Empty(), objective="val_loss", max_trials=3).search(**DATA, verbose=0)
    assert "no metric at all" in (study().trials()[0].infeasible_reason or "")
