"""What users override and what they return, as KerasTuner documents it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner import HyperModel, HyperParameters, Objective

from dodona import Study
from dodona.keras import CloudOracle, CloudTuner
from tests.keras.models import DATA, BlackBox, X, Y, build_fixed
from tests.support.patience import patience
from tests.support.processes import environment, free_port

Tune = Callable[..., CloudTuner]


def history(*losses: float, first_epoch: int = 0) -> keras.callbacks.History:
    made = keras.callbacks.History()
    made.epoch = list(range(first_epoch, first_epoch + len(losses)))
    made.history = {"loss": list(losses), "mae": [10 * loss for loss in losses]}
    return made


@pytest.mark.parametrize(
    ("returned", "metrics", "step"),
    [
        (2, {"loss": 2.0}, 1),
        (np.float32(0.5), {"loss": 0.5}, 1),
        ([1.0, 3.0], {"loss": 2.0}, 1),
        ({"loss": 1.0, "time": 5}, {"loss": 1.0, "time": 5.0}, 1),
        ([{"loss": 1.0}, {"loss": 2.0}], {"loss": 1.5}, 1),
        (history(3.0, 1.0, 2.0), {"loss": 1.0, "mae": 10.0}, 2),
        (history(3.0, 1.0, 2.0, first_epoch=4), {"loss": 1.0, "mae": 10.0}, 6),
        ([history(3.0, 1.0), history(3.0, 4.0, 5.0, 2.0)], {"loss": 1.5, "mae": 15.0}, 3),
    ],
)
def test_what_run_trial_returns(
    tune: Tune, study: Callable[[], Study], returned: Any, metrics: dict[str, float], step: int
) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return returned

    tune(tuner=Tuner, objective="loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert (record.metrics, record.step) == (metrics, step)


def test_several_objectives_that_are_returned(tune: Tune, study: Callable[[], Study]) -> None:
    class Returns(HyperModel):
        def build(self, hp: HyperParameters) -> keras.Model:
            return build_fixed(hp)

        def fit(self, hp: HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> dict[str, float]:
            return {"a": 3.0, "b": 1.0}

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            return [{"a": 3.0, "b": 1.0}, {"a": 5.0, "b": 1.0}]

    objective = [Objective("a", "min"), Objective("b", "max")]
    tune(tuner=Tuner, objective=objective, max_trials=1).search(verbose=0)
    assert study().trials()[0].metrics == {"a": 4.0, "b": 1.0, "multi_objective": 3.0}
    tuner = tune(Returns(), objective=objective, max_trials=1, study_id="t")
    tuner.search(verbose=0)
    assert tuner.oracle.get_best_trials()[0].score == 2.0


def test_a_loop_that_only_calls_the_hook(tune: Tune, study: Callable[[], Study]) -> None:
    class Loop(BlackBox):
        def value(self, x: float, trial: Any) -> None:
            for epoch, loss in enumerate((3.0, 1.0, 2.0)):
                self.on_epoch_end(trial, keras.Sequential(), epoch, {"loss": loss})

    tune(tuner=Loop, objective="loss", max_trials=1).search(verbose=0)
    (record,) = study().trials()
    assert (record.metrics, record.step, len(record.measurements)) == ({"loss": 1.0}, 2, 3)


def test_a_gan(tune: Tune, study: Callable[[], Study]) -> None:
    class GAN(CloudTuner):
        def run_trial(self, trial: Any, real: tf.Tensor, verbose: int) -> float:
            hp = trial.hyperparameters
            generator, critic = self.hypermodel.build(hp)
            rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
            optimizers = [keras.optimizers.Adam(rate) for _ in range(2)]
            for epoch in range(2):
                self.on_epoch_begin(trial, generator, epoch, logs={})
                with tf.GradientTape(persistent=True) as tape:
                    fake = generator(tf.random.normal((8, 2)))
                    gap = tf.reduce_mean(critic(real)) - tf.reduce_mean(critic(fake))
                    losses = [gap, -gap]
                for model, loss, optimizer in zip((generator, critic), losses, optimizers, strict=True):
                    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
                self.on_epoch_end(trial, generator, epoch, logs={"gap": gap, "critic": losses[1]})
            return float(gap)

    def build_both(hp: HyperParameters) -> Any:
        units = hp.Int("units", 2, 4)
        return tuple(
            keras.Sequential([keras.Input((width,)), keras.layers.Dense(units), keras.layers.Dense(out)])
            for width, out in ((2, 4), (4, 1))
        )

    tune(build_both, GAN, objective=Objective("gap", "min"), max_trials=2).search(tf.constant(X), verbose=0)
    first, second = study().trials()
    assert [set(measured.metrics) for measured in first.measurements] == [{"gap", "critic"}] * 2
    assert (first.state, second.state) == ("SUCCEEDED", "SUCCEEDED")
    assert set(second.parameters) == {"units", "rate"}, "what was found in the first is tuned in the second"


def test_all_hooks_are_called_in_their_order(tune: Tune, tmp_path: Path) -> None:
    called: list[str] = []

    def hook(name: str) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return getattr(super(hooks, self), name)(*args, **kwargs)

        return call

    names = [f"on_{what}_{end}" for what in ("search", "trial", "epoch", "batch") for end in ("begin", "end")]
    hooks = type("Hooks", (CloudTuner,), {name: hook(name) for name in [*names, "pre_create_trial", "save"]})
    tuner = tune(build_fixed, hooks, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=1, verbose=0)
    assert called == [
        "on_search_begin",
        "pre_create_trial",
        "on_trial_begin",
        "on_epoch_begin",
        "on_batch_begin",
        "on_batch_end",
        "on_epoch_end",
        "on_trial_end",
        "save",
        "pre_create_trial",
        "on_search_end",
    ]
    assert tuner.get_state() == {}
    tuner.set_state({})
    assert Path(tuner.get_trial_dir("1")) == tmp_path / "tuning" / "s" / "trial_1"
    assert tuner.project_dir == str(tmp_path / "tuning" / "s")


def test_hooks_that_call_no_super_still_report(tune: Tune, study: Callable[[], Study]) -> None:
    class Silent(CloudTuner):
        def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
            pass

    tune(build_fixed, Silent, objective="val_loss", max_trials=1).search(**DATA, epochs=2, verbose=0)
    assert [measured.step for measured in study().trials()[0].measurements] == [1, 2]


def test_a_callback_may_hold_the_tuner(tune: Tune, study: Callable[[], Study]) -> None:
    class Holds(keras.callbacks.Callback):
        def __init__(self, *held: Any) -> None:
            super().__init__()
            self.held = held

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert self.held == (tuner, tuner.oracle)

    tuner = tune(build_fixed, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=1, callbacks=[Holds(tuner, tuner.oracle)], verbose=0)
    assert study().trials()[0].state == "SUCCEEDED"


def test_models_that_are_saved_and_loaded_by_the_user(tune: Tune) -> None:
    class Own(CloudTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            model = self.hypermodel.build(trial.hyperparameters)
            model.fit(X, Y, verbose=0)
            self.save_model(trial.trial_id, model)
            return float(model.evaluate(X, Y, verbose=0)[0])

        def save_model(self, trial_id: str, model: keras.Model, step: int = 0) -> None:
            model.save(Path(self.get_trial_dir(trial_id), "whole.keras"))

        def load_model(self, trial: Any) -> keras.Model:
            return keras.models.load_model(Path(self.get_trial_dir(trial.trial_id), "whole.keras"))

    tuner = tune(build_fixed, Own, max_trials=1)
    tuner.search(verbose=0)
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(tuner.oracle.get_best_trials()[0].score)


def test_a_distribution_strategy(tune: Tune, study: Callable[[], Study]) -> None:
    tuner = tune(
        build_fixed,
        objective="val_loss",
        max_trials=1,
        distribution_strategy=tf.distribute.MirroredStrategy(["/cpu:0"]),
        optimizer="adam",
    )
    assert (tuner.oracle.multi_worker, tuner.oracle.should_report) == (False, True)
    tuner.search(**DATA, epochs=1, verbose=0)
    assert (study().trials()[0].state, len(study().trials()[0].measurements)) == ("SUCCEEDED", 1)
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(tuner.oracle.get_best_trials()[0].score)


def test_the_processes_of_a_cluster_train_each_trial_together(
    server_url: str, study: Callable[[], Study], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.keras.replica", server_url, str(free_port()), str(free_port())]
    variables = environment(PYTHONPATH=str(Path.cwd()))
    # It ends as soon as one of its processes fails; how long TensorFlow takes depends on the machine's load.
    ended = subprocess.run(
        command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True, check=True, timeout=patience(280)
    )
    assert sorted(map(json.loads, ended.stdout.splitlines())) == [[0, True, True], [1, True, False]]
    records = study().trials()
    assert len(records) == 2
    for record in records:
        loss = pytest.approx(record.parameters["lr"] + 0.5)
        assert (record.state, record.worker, record.metrics) == ("SUCCEEDED", "cluster", {"loss": loss})
        assert [one.metrics for one in record.measurements] == [{"loss": loss}] * 2


def test_of_the_replicas_of_a_worker_the_first_alone_reports(server_url: str, study: Callable[[], Study]) -> None:
    chief, replica = (
        CloudOracle(objective="loss", max_trials=2, study_id="s", url=server_url, worker="cluster") for _ in range(2)
    )
    replica.multi_worker, replica.should_report = True, False
    for number in ("1", "2"):
        trials = [oracle.create_trial("cluster") for oracle in (chief, replica)]
        assert [trial.trial_id for trial in trials] == [number, number]
        assert replica.reporter(number) is None
        for oracle, trial, loss in zip((replica, chief), reversed(trials), (9.0, 1.0), strict=True):
            oracle.update_trial(number, {"loss": loss})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
        assert study().trial(int(number)).metrics == {"loss": 1.0}
    assert [oracle.create_trial("cluster").status for oracle in (chief, replica)] == ["STOPPED", "STOPPED"]


class OfToday(CloudTuner):
    """As KerasTuner since 1.1 has it."""

    def _build_and_fit_model(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> Any:
        given.append((len(fit_args), sorted(fit_kwargs)))
        return super()._build_and_fit_model(trial, *fit_args, **{**fit_kwargs, "batch_size": 16})


class Named(CloudTuner):
    """With names of its own."""

    def _build_and_fit_model(self, trial: Any, x: Any, y: Any, *, callbacks: Any, **options: Any) -> Any:
        given.append((2, sorted({"callbacks": callbacks, **options})))
        return super()._build_and_fit_model(trial, x, y, callbacks=callbacks, **options)


class Two(CloudTuner):
    """Two arguments of `fit`, which are not KerasTuner 1.0's."""

    def _build_and_fit_model(self, trial: Any, x: Any, y: Any, **kwargs: Any) -> Any:
        given.append((2, sorted(kwargs)))
        return self.hypermodel.build(trial.hyperparameters).fit(x, y, **kwargs)


class OfOneZero(CloudTuner):
    """As KerasTuner 1.0 had it."""

    def _build_and_fit_model(self, trial: Any, fit_args: Any, fit_kwargs: Any) -> Any:
        given.append((len(fit_args), sorted(fit_kwargs)))
        fit_kwargs["batch_size"] = 16
        return super()._build_and_fit_model(trial, fit_args, fit_kwargs)


class OfOneZeroToo(OfOneZero):
    """Other names, and no super."""

    def _build_and_fit_model(self, trial: Any, args: Any, kwargs: Any) -> Any:
        given.append((len(args), sorted(kwargs)))
        return self.hypermodel.build(trial.hyperparameters).fit(*args, **kwargs)


given: list[tuple[int, list[str]]] = []


@pytest.mark.parametrize("kind", [OfToday, Named, Two, OfOneZero, OfOneZeroToo])
def test_overrides_of_build_and_fit_model_in_each_form(
    tune: Tune, study: Callable[[], Study], kind: type[CloudTuner]
) -> None:
    given.clear()
    tuner = tune(build_fixed, kind, objective="val_loss", max_trials=1)
    tuner.search(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    (record,) = study().trials()
    assert (record.state, len(record.measurements)) == ("SUCCEEDED", 2)
    assert given == [(2, ["callbacks", "epochs", "validation_data", "verbose"])]
    assert len(tuner.get_best_models()) == 1


def noting(epochs: list[int]) -> keras.callbacks.Callback:
    return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))


@pytest.mark.parametrize(
    ("form", "count"),
    [
        (lambda callback: callback, 1),
        (lambda callback: (callback,), 1),
        (lambda callback: [callback, [callback]], 2),
        (lambda callback: {"a": callback}, 1),
        (lambda callback: keras.callbacks.CallbackList([callback], add_history=True), 1),
        (lambda callback: [keras.callbacks.CallbackList([callback])], 1),
        (lambda callback: None, 0),
        (lambda callback: [None], 0),
        (lambda callback: (), 0),
    ],
    ids=["one", "tuple", "nested", "dict", "CallbackList", "CallbackList-in-a-list", "none", "none-in-a-list", "empty"],
)
@pytest.mark.parametrize("overridden", [False, True], ids=["as-it-is", "overridden"])
def test_callbacks_in_any_form_that_fit_takes(
    tune: Tune, study: Callable[[], Study], form: Callable[[Any], Any], count: int, overridden: bool
) -> None:
    class Adds(CloudTuner):
        def run_trial(self, trial: Any, *args: Any, callbacks: list[Any], **kwargs: Any) -> Any:
            callbacks = form(callbacks[0]) if len(callbacks) == 1 else callbacks
            return super().run_trial(trial, *args, callbacks=callbacks, **kwargs)

    epochs: list[int] = []
    tuner = tune(build_fixed, Adds if overridden else CloudTuner, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=1, callbacks=form(noting(epochs)), verbose=0)
    assert [record.state for record in study().trials()] == ["SUCCEEDED"]
    assert (epochs == [0] * len(epochs), bool(epochs)) == (True, bool(count))


@pytest.mark.parametrize("wrong", ["EarlyStopping", 3, [keras.callbacks.EarlyStopping], [object()]])
def test_what_is_no_callback_is_refused_before_a_trial_begins(
    tune: Tune, study: Callable[[], Study], wrong: Any
) -> None:
    tuner = tune(build_fixed, objective="val_loss", max_trials=1)
    with pytest.raises(TypeError, match=r"it must be a keras\.callbacks\.Callback"):
        tuner.search(**DATA, epochs=1, callbacks=wrong, verbose=0)
    assert study().trials() == []
