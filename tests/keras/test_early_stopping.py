"""Trials that are stopped early: by the server, by another client, or by the user's own callback."""

from __future__ import annotations

import copy
import logging
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pytest
from keras_tuner import HyperParameters, Objective
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeClassifier

import dodona.keras
from dodona import Client, Study, TrialRecord
from dodona._trials.record import Measurement
from dodona.keras import CloudOracle, CloudTuner
from dodona.keras._mapping.stopping import early_end_of, saving
from dodona_schemas.vertex import AshaStoppingSpec, MedianAutomatedStoppingSpec
from tests.keras.models import DATA, BlackBox, X, Y, build_fixed, compile_model

Tune = Callable[..., CloudTuner]

MEDIAN = {"medianAutomatedStoppingSpec": {"useElapsedDuration": True}}


def ended(number: int, epochs: int, reason: str | None, **values: Any) -> TrialRecord:
    """A finished trial with that many epochs, stopped for that reason."""
    measured = tuple(Measurement(step, None, {"loss": 1.0}) for step in range(1, epochs + 1))
    now = datetime.now(UTC)
    return TrialRecord(
        number,
        "SUCCEEDED",
        values,
        {"loss": 1.0},
        measured,
        "w",
        now,
        now,
        None,
        1,
        stopping_reason=reason,
        stopped=reason is not None,
    )


def test_what_stopping_saved() -> None:
    records = [ended(1, 9, None), ended(2, 3, "why"), ended(3, 9, "why"), ended(4, 1, "why", **{"tuner/epochs": 4})]
    assert saving(records, 9) == "2 of 4 trials stopped early: 9 of their 13 epochs saved", "trial 3 ran to its end"
    assert saving(records, None) == "3 of 4 trials stopped early, after 13 epochs in all"
    assert saving(records, 2) == "3 of 4 trials stopped early, after 13 epochs in all", "fit was called several times"
    assert saving(records[:1], 9) is None
    assert str(early_end_of(records[1], 9)) == "stopped after epoch 3 of 9: why"
    assert str(early_end_of(records[1], None)) == "stopped after epoch 3: why"
    assert early_end_of(replace(records[1], end=None), 9) is None
    assert early_end_of(replace(records[1], stopped=False), 9) is None, "it had reached its end"


class StopsInEpoch(keras.callbacks.Callback):
    """Asks the server for the end of the trial during an epoch, so that the answer to its report says so."""

    def __init__(self, epoch: int, stop: Callable[[], None]) -> None:
        super().__init__()
        self._epoch = epoch
        self._stop = stop

    def __deepcopy__(self, _memo: Any) -> StopsInEpoch:
        return self

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 == self._epoch:
            self._stop()


def test_a_stop_ends_fit_after_the_epoch_and_keeps_the_best_weights(
    tune: Tune, study: Callable[[], Study], stop: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def build(hp: HyperParameters) -> keras.Model:
        hp.Int("seed", 0, 9)
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        # From the third epoch on, the loss grows; an epoch has one step.
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, -1.0])
        compile_model(model, keras.optimizers.SGD(rate))
        return model

    tuner = tune(build, objective="val_loss", max_trials=1, executions_per_trial=3)
    trained: list[str] = []
    at_end = keras.callbacks.LambdaCallback(on_train_end=lambda _logs: trained.append("once"))
    tuner.search(**DATA, epochs=20, callbacks=[StopsInEpoch(4, lambda: stop(1)), at_end])
    (record,) = study().trials()
    assert (record.state, record.step, record.stopped) == ("SUCCEEDED", 2, True)
    assert [measured.step for measured in record.measurements] == [1, 2, 3, 4], "nor is there another execution"
    assert record.metrics == record.measurements[1].metrics
    assert trained == ["once"]
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(record.metrics["val_loss"], rel=1e-5)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"trial 1/1  val_loss {record.metrics['val_loss']:.5g}  best ")
    said = "stopped after epoch 4 of 60: a client asked for it"
    assert f" s  {said}  seed=" in line
    tuner.results_summary()
    assert capsys.readouterr().out.splitlines()[-3:] == [
        said,
        "",
        "1 of 1 trials stopped early: 56 of their 60 epochs saved",
    ]


def test_a_trial_that_the_users_own_callback_ends_was_not_stopped(
    tune: Tune, study: Callable[[], Study], capsys: pytest.CaptureFixture[str]
) -> None:
    own = keras.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=100)
    tuner = tune(build_fixed, objective="val_loss", max_trials=2, executions_per_trial=2, early_stopping="median")
    tuner.search(**DATA, epochs=9, callbacks=[own])
    for record in study().trials():
        assert (record.state, len(record.measurements)) == ("SUCCEEDED", 4), "two epochs of each execution"
        assert (record.stopping_reason, record.stopped) == (None, False)
    assert {trial.status for trial in tuner.oracle.get_best_trials(2)} == {"COMPLETED"}
    tuner.results_summary()
    assert "stopped" not in capsys.readouterr().out


def test_without_a_rule_the_summary_says_what_auto_would_have_saved(
    tune: Tune, study: Callable[[], Study], capsys: pytest.CaptureFixture[str]
) -> None:
    tuner = tune(build_fixed, objective="val_loss", max_trials=12)
    tuner.search_space_summary()
    for number in range(12):
        trial = tuner.study.ask(worker="w")
        for step in range(1, 9):
            trial.report({"val_loss": (1 + number) / step}, step=step)
        trial.complete()
    capsys.readouterr()
    tuner.results_summary()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("The rule auto would have stopped ")
    assert " of 12 trials" in last
    assert last == study().replay_stopping()


def test_a_diverged_training_is_stopped_at_once(tune: Tune, study: Callable[[], Study]) -> None:
    def build(hp: HyperParameters) -> keras.Model:
        model = build_fixed(hp)
        compile_model(model, keras.optimizers.SGD(float("inf")))
        return model

    tuner = tune(build, objective="val_loss", max_trials=2, early_stopping="auto", max_consecutive_failed_trials=9)
    tuner.search(**DATA, epochs=9)
    for record in study().trials():
        assert record.stopping_reason is not None
        assert re.fullmatch(r"diverged: val_loss is (nan|inf) at step \d", record.stopping_reason)
        assert len(record.measurements) < 9
        assert record.state == "INFEASIBLE" or record.stopped


def test_a_part_of_an_execution_does_not_count_in_the_mean(
    tune: Tune, study: Callable[[], Study], stop: Callable[[int], None]
) -> None:
    tuner = tune(build_fixed, objective="val_loss", max_trials=2, executions_per_trial=3)
    begun: list[int] = []

    def stop_in_the_second() -> None:
        begun.append(1)
        if len(begun) == 2:
            stop(1)

    in_second = keras.callbacks.LambdaCallback(on_train_begin=lambda _logs: stop_in_the_second())
    tuner.search(**DATA, epochs=4, callbacks=[in_second])
    first, second = study().trials()
    assert (first.stopped, len(first.measurements)) == (True, 5), "it ends after an epoch of the second execution"
    whole = [measured.metrics["val_loss"] for measured in first.measurements[:4]]
    assert first.metrics["val_loss"] == min(whole)
    assert (second.stopped, len(second.measurements)) == (False, 12)
    assert [trial.trial_id for trial in tuner.oracle.get_best_trials(2)] == ["2", "1"]
    assert [trial.status for trial in tuner.oracle.get_best_trials(2)] == ["COMPLETED", "STOPPED"]


def test_a_stop_with_the_last_epoch_comes_too_late(
    tune: Tune, study: Callable[[], Study], stop: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    tuner = tune(build_fixed, objective="val_loss", max_trials=1)
    tuner.search(**DATA, epochs=3, callbacks=[StopsInEpoch(3, lambda: stop(1))])
    (record,) = study().trials()
    assert (record.state, record.stopped, len(record.measurements)) == ("SUCCEEDED", False, 3)
    assert tuner.oracle.get_trial("1").status == "COMPLETED"
    assert "stopped" not in capsys.readouterr().out


def test_rules_judge_the_first_execution(tune: Tune, study: Callable[[], Study]) -> None:
    def build(hp: HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(hp.Float("rate", 1e-4, 1.0, sampling="log")))
        return model

    # The second execution begins with worse values than the first one ended with.
    rule = {"noProgressStoppingSpec": {"patience": 2}}
    tuner = tune(build, objective="loss", max_trials=2, executions_per_trial=2, early_stopping=rule)
    for rate in (0.5, 0.01):
        study().add_trial({"rate": rate})
    tuner.search(**DATA, epochs=5)
    assert [(record.stopped, len(record.measurements)) for record in study().trials()] == [(False, 10)] * 2


def test_folds_of_a_cross_validation_are_not_judged(server_url: str, tmp_path: Path, client: Client) -> None:
    images, labels = load_digits(return_X_y=True)
    tuner = dodona.keras.SklearnTuner(
        "random_search",
        lambda hp: DecisionTreeClassifier(max_depth=hp.Int("depth", 1, 9)),
        cv=KFold(3),
        max_trials=7,
        study_id="s",
        url=server_url,
        directory=tmp_path,
        early_stopping="median",
    )
    tuner.search(images[:300], labels[:300])
    records = client.get_study("s").trials()
    assert [(record.state, record.stopped, record.measurements) for record in records] == [("SUCCEEDED", False, ())] * 7


def test_a_custom_loop_sees_that_it_should_stop(
    tune: Tune, study: Callable[[], Study], stop: Callable[[int], None]
) -> None:
    seen: list[tuple[bool, bool, bool]] = []

    class Loop(CloudTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
            model = self.hypermodel.build(trial.hyperparameters)
            for epoch in range(5):
                if epoch == 1:
                    stop(int(trial.trial_id))
                self.on_epoch_end(trial, model, epoch, logs={"loss": 1.0 + epoch})
                seen.append((trial.should_stop, self.should_stop, model.stop_training))
                if trial.should_stop:
                    break
            for copied in (copy.deepcopy(trial), pickle.loads(pickle.dumps(trial))):
                assert copied.trial_id == trial.trial_id
                assert copied.should_stop is False

    tuner = tune(build_fixed, Loop, objective="loss", max_trials=2)
    assert tuner.should_stop is False
    tuner.search(verbose=0)
    assert seen == [(False,) * 3, (True,) * 3] * 2
    assert tuner.should_stop is False
    for record in study().trials():
        assert (record.state, record.metrics, len(record.measurements)) == ("SUCCEEDED", {"loss": 1.0}, 2)


def test_the_median_rule_stops_a_bad_learning_rate(
    tune: Tune, study: Callable[[], Study], capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = load_digits(return_X_y=True)
    data = {"x": images[:400] / 16, "y": labels[:400], "validation_data": (images[400:600] / 16, labels[400:600])}

    def build_digits(hp: HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.layers.Dense(10, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(hp.Float("rate", 1e-6, 1.0, sampling="log")))
        return model

    tuner = tune(build_digits, objective="val_loss", max_trials=6, early_stopping="median")
    for rate in (0.5, 0.4, 0.3, 0.2, 0.1, 1e-5):
        study().add_trial({"rate": rate})
    tuner.search(**data, epochs=6, batch_size=100)
    *good, bad = study().trials()
    assert [(record.state, record.stopping_reason, record.measurements[-1].step) for record in good] == [
        ("SUCCEEDED", None, 6)
    ] * 5
    reason = bad.stopping_reason or ""
    assert re.fullmatch(r"median of 5 trials at step 4 is \S+; best so far \S+", reason)
    assert (bad.state, len(bad.measurements)) == ("SUCCEEDED", 4)
    assert bad.metrics["val_loss"] == min(measured.metrics["val_loss"] for measured in bad.measurements)
    *_, line = capsys.readouterr().out.splitlines()
    said = f"stopped after epoch 4 of 6: {reason}"
    assert line.startswith(f"trial 6/6  val_loss {bad.metrics['val_loss']:.5g}  best ")
    assert f" s  {said}  rate=" in line
    assert [record.stopped for record in (*good, bad)] == [False] * 5 + [True]
    assert [tuner.oracle.get_trial(str(number)).status for number in (1, 6)] == ["COMPLETED", "STOPPED"]
    assert [trial.trial_id for trial in tuner.oracle.get_best_trials(6)][-1] == "6"
    tuner.results_summary()
    summary = capsys.readouterr().out.splitlines()
    assert summary[-3:] == [said, "", "1 of 6 trials stopped early: 2 of their 6 epochs saved"]


RULES = {"a name": "median", "a message": MedianAutomatedStoppingSpec(), "a dict": {"medianAutomatedStoppingSpec": {}}}


@pytest.mark.parametrize("rule", RULES)
def test_every_tuner_takes_a_rule(
    study: Callable[[], Study], client: Client, server_url: str, tmp_path: Path, rule: str
) -> None:
    arguments = {"study_id": "s", "url": server_url, "early_stopping": RULES[rule]}
    tuned = {**arguments, "directory": tmp_path, "objective": "val_loss"}

    def is_set() -> bool:
        """Whether the study has the rule; it is then deleted."""
        spec = study().spec
        study().delete()
        return spec.median_automated_stopping_spec == MedianAutomatedStoppingSpec()

    for name in ("RandomSearch", "GridSearch", "BayesianOptimization", "Hyperband", "CloudTuner"):
        getattr(dodona.keras, name)(build_fixed, **tuned)
        assert is_set(), name
    for oracle in (None, "tpe", keras_tuner.oracles.RandomSearchOracle(objective="val_loss")):
        given = {
            name: value
            for name, value in tuned.items()
            if name != "objective" or not isinstance(oracle, keras_tuner.Oracle)
        }
        dodona.keras.Tuner(oracle, build_fixed, **given)
        assert is_set(), oracle
    dodona.keras.SklearnTuner("tpe", lambda hp: hp.Int("depth", 1, 3), **{**arguments, "directory": tmp_path})
    assert is_set()
    assert CloudOracle(objective=Objective("score", "max"), **arguments).study
    assert is_set()


@pytest.mark.parametrize("wrong", ["automatic", "medain", 3, {"medianAutomatedStoppingSpec": {}, "seed": 1}])
def test_a_rule_that_there_is_not(tune: Tune, client: Client, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"early_stopping is .*'auto', 'median', 'decay_curve', 'convex', 'asha', "):
        tune(tuner=BlackBox, early_stopping=wrong)
    assert list(client.studies()) == []


def test_a_rule_is_given_once(tune: Tune) -> None:
    with pytest.raises(ValueError, match=r"early_stopping is .*asha.*, but study_config has .*median.*; pass it once"):
        tune(tuner=BlackBox, study_config=MEDIAN, early_stopping="asha")
    tune(tuner=BlackBox, study_config=MEDIAN, early_stopping=MEDIAN)


def test_a_worker_that_joins_with_another_rule(tune: Tune, caplog: pytest.LogCaptureFixture) -> None:
    tune(tuner=BlackBox, early_stopping="median")
    with caplog.at_level(logging.WARNING, "dodona"):
        tune(tuner=BlackBox, early_stopping="median")
        tune(tuner=BlackBox)
        assert caplog.text == ""
        tune(tuner=BlackBox, early_stopping=AshaStoppingSpec(min_resource=2))
    assert "early_stopping is {'medianAutomatedStoppingSpec': {" in caplog.text
    assert "not {'ashaStoppingSpec': {'minResource': 2.0" in caplog.text
