"""Trials that fail, searches that end, and what others lose by it: nothing."""

from __future__ import annotations

import io
import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import keras
import pytest
from keras_tuner.errors import FailedTrialError, FatalError, FatalTypeError

from dodona import Client, Retry, ServerUnreachable, Study
from dodona.keras import CloudTuner, SearchInterrupted
from tests.keras.models import DATA, BlackBox, X, Y, build_fixed

Tune = Callable[..., CloudTuner]


class Values(BlackBox):
    """Gives, run by run, the values of a list; raises those that are exceptions."""

    values: list[Any]

    def value(self, x: float, trial: Any) -> Any:
        value = self.values.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value


def gives(*values: Any) -> type[Values]:
    return type("Gives", (Values,), {"values": list(values)})


def states(study: Study) -> list[str]:
    return [record.state for record in study.trials()]


def test_a_failing_trial_does_not_end_the_search(tune: Tune, study: Callable[[], Study]) -> None:
    tuner = tune(tuner=gives(1.0, ValueError("no such luck"), 3.0), max_trials=3)
    tuner.search(verbose=0)
    assert states(study()) == ["SUCCEEDED", "INFEASIBLE", "SUCCEEDED"]
    reason = study().trials()[1].infeasible_reason or ""
    assert reason.startswith("Traceback")
    assert reason.endswith("ValueError: no such luck")
    assert [trial.status for trial in tuner.oracle.get_best_trials(3)] == ["COMPLETED", "COMPLETED", "FAILED"]
    assert tuner.oracle.get_trial("2").message == reason


def test_of_a_long_traceback_the_end_is_kept(tune: Tune, study: Callable[[], Study]) -> None:
    tune(tuner=gives(ValueError("x" * 1000 + "\n" + "y" * 1500 + "\nthe end")), max_trials=1).search(verbose=0)
    reason = study().trials()[0].infeasible_reason or ""
    assert len(reason) <= 2000
    assert reason.startswith("y")
    assert reason.endswith("the end")


class Speechless(Exception):
    def __str__(self) -> str:
        raise KeyError("message")


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ValueError("cannot parse \0\1"), "cannot parse \\x00\1"),
        (OSError("no file \udcff.png"), "no file ?.png"),
        (ValueError("é \N{GRINNING FACE}"), "é \N{GRINNING FACE}"),
        (ValueError(20_000_000 * "\0" + "the end"), "\\x00the end"),
        (Speechless(), "Speechless: <exception str() failed>"),
        (FailedTrialError("bad\0 \udcff"), "bad\\x00 ?"),
    ],
    ids=["nul", "surrogate", "unicode", "long", "str-raises", "failed-trial"],
)
@pytest.mark.parametrize("verbose", [0, 1])
def test_whatever_a_failure_says_the_search_goes_on(
    tune: Tune,
    study: Callable[[], Study],
    error: Exception,
    end: str,
    verbose: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A terminal that knows ASCII only.
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    tune(tuner=gives(error, 1.0), max_trials=2).search(verbose=verbose)
    assert states(study()) == ["INFEASIBLE", "SUCCEEDED"]
    assert (study().trials()[0].infeasible_reason or "").endswith(end)


@pytest.mark.parametrize(
    ("message", "reason"), [(None, "the trial failed without a message"), (" \n", None), (ValueError("a\0"), "a\\x00")]
)
def test_a_message_that_the_user_sets(tune: Tune, study: Callable[[], Study], message: Any, reason: str | None) -> None:
    class Tuner(BlackBox):
        def on_trial_end(self, trial: Any) -> None:
            trial.status, trial.message = "FAILED", message
            super().on_trial_end(trial)

    tune(tuner=Tuner, max_trials=1).search()
    assert study().trials()[0].infeasible_reason == (reason or "the trial failed without a message")


@pytest.mark.parametrize("bad", ["\0", "\udcff"])
def test_a_hyperparameter_that_the_server_does_not_take(tune: Tune, study: Callable[[], Study], bad: str) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> Any:
            trial.hyperparameters.Choice("file", [bad, "b"])
            trial.hyperparameters.Int(f"units{bad}", 1, 9)
            return x

    tune(tuner=Tuner, max_trials=2).search()
    assert states(study()) == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.parametrize("error", [FatalError("the end \0 \udcff"), type("Fatal", (FatalError, Speechless), {})()])
def test_whatever_ends_a_search_says_its_trial_has_it_as_the_reason(
    tune: Tune, study: Callable[[], Study], error: Exception
) -> None:
    with pytest.raises(FatalError):
        tune(tuner=gives(error), max_trials=2).search(verbose=0)
    assert states(study()) == ["INFEASIBLE"]


def test_failures_in_a_row_end_this_workers_search_alone(tune: Tune, study: Callable[[], Study]) -> None:
    failing = tune(tuner=gives(1.0, *[ValueError("again")] * 4), max_trials=6)
    with pytest.raises(RuntimeError, match=r"(?s)exceeded the limit of 3.*ValueError: again"):
        failing.search(verbose=0)
    assert states(study()) == ["SUCCEEDED", "INFEASIBLE", "INFEASIBLE", "INFEASIBLE"]
    other = tune(tuner=gives(5.0, 6.0))
    other.search(verbose=0)
    assert states(study())[4:] == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.parametrize("bad", [math.nan, ValueError("unlucky")])
def test_a_retry_counts_alone(tune: Tune, study: Callable[[], Study], bad: Any) -> None:
    ended = []

    class Tuner(gives(bad, 2.0)):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            ended.append((trial.trial_id, trial.status, trial.score))

    tune(tuner=Tuner, max_trials=1, max_retries_per_trial=2).search(verbose=0)
    assert ended == [("1", "INVALID", None), ("1", "COMPLETED", 2.0)]
    (record,) = study().trials()
    assert (record.state, record.metrics) == ("SUCCEEDED", {"default_objective": 2.0})


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_result_that_is_no_number(tune: Tune, study: Callable[[], Study], bad: float) -> None:
    tuner = tune(tuner=gives({"f": bad, "other": 1.0}, {"f": 1.0, "other": math.nan}), study_config=F, max_trials=2)
    tuner.search(verbose=0)
    bad_one, good_one = study().trials()
    assert bad_one.state == "INFEASIBLE"
    assert str(bad) in (bad_one.infeasible_reason or "").lower()
    assert good_one.state == "SUCCEEDED", "NaN in what is not an objective harms nobody"
    assert tuner.oracle.get_best_trials()[0].trial_id == "2"


F = {"metrics": [{"metricId": "f", "goal": "MINIMIZE"}]}


def test_a_failed_trial_is_not_retried(tune: Tune, study: Callable[[], Study]) -> None:
    tuner = tune(tuner=gives(FailedTrialError("too slow"), 1.0), max_trials=2, max_retries_per_trial=5)
    tuner.search(verbose=0)
    assert states(study()) == ["INFEASIBLE", "SUCCEEDED"]


def test_a_model_that_is_too_big(tune: Tune, study: Callable[[], Study]) -> None:
    def build_big(hp: Any) -> keras.Model:
        model = build_fixed(hp)
        model.build((None, 4))
        return model

    tune(build_big, objective="loss", max_trials=1, max_model_size=5).search(X, Y, verbose=0)
    assert "Oversized model: 10 parameters" in (study().trials()[0].infeasible_reason or "")


def test_a_mistake_in_the_program_ends_the_search_but_leaves_no_trial_behind(
    tune: Tune, study: Callable[[], Study]
) -> None:
    with pytest.raises(FatalTypeError):
        tune(tuner=gives(None), max_trials=2).search(verbose=0)
    (record,) = study().trials()
    assert record.state == "INFEASIBLE"
    assert "is None. Did you forget to return" in (record.infeasible_reason or "")


def test_an_interrupted_search_hands_its_trial_back(tune: Tune, study: Callable[[], Study]) -> None:
    tuner = tune(tuner=gives(1.0, KeyboardInterrupt(), 2.0, 3.0), max_trials=3)
    with pytest.raises(KeyboardInterrupt):
        tuner.search(verbose=0)
    assert states(study()) == ["SUCCEEDED", "REQUESTED"]
    assert tuner.oracle.get_best_trials(2)[1].status == "RUNNING"
    tuner.search(verbose=0)
    assert states(study()) == ["SUCCEEDED"] * 3
    assert [record.attempt for record in study().trials()] == [1, 2, 1]


@pytest.fixture
def _default_sigterm() -> Iterator[None]:
    """The signal as in a new process: Ray, in another test of this one, leaves a handler of its own."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_default_sigterm")
def test_sigterm_hands_the_trial_back(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            signal.raise_signal(signal.SIGTERM)
            return 1.0

    with pytest.raises(SystemExit) as left:
        tune(tuner=Tuner, max_trials=3).search(verbose=0)
    assert left.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert states(study()) == ["REQUESTED"]


def test_a_mistake_outside_of_a_trials_run_hands_it_back(tune: Tune, study: Callable[[], Study]) -> None:
    class Tuner(BlackBox):
        def on_trial_begin(self, trial: Any) -> None:
            raise ValueError("a mistake in a hook")

    with pytest.raises(ValueError, match="a mistake in a hook"):
        tune(tuner=Tuner, max_trials=1).search(verbose=0)
    assert study().trials()[0].state == "REQUESTED"
    tune(tuner=BlackBox).search(verbose=0)
    assert study().trials()[0].state == "SUCCEEDED"


def test_a_cell_that_was_interrupted_may_be_run_again_from_the_start(tune: Tune, study: Callable[[], Study]) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(tuner=gives(1.0, KeyboardInterrupt()), max_trials=3).search(verbose=0)
    tune(tuner=gives(1.0, 2.0, 3.0), max_trials=3, overwrite=True).search(verbose=0)
    assert [record.attempt for record in study().trials()] == [1, 1, 1]


def test_a_trial_that_was_handed_on_ends_quietly(tune: Tune, study: Callable[[], Study], server_url: str) -> None:
    others: list[Any] = []

    def hand_on() -> None:
        # As if this worker's lease were over.
        path = f"{study().name}/trials/1:release"
        httpx.post(f"{server_url}/v1/{path}", json={}).raise_for_status()
        others.append(Client(server_url, worker="other").get_study("s").ask())

    class HandedOnInTheSecond(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            for other in others:
                # In this worker's next trial; it would wait for the other worker at the end.
                other.complete({"val_loss": 1.0})

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1 and not others:
                hand_on()

    tuner = tune(build_fixed, objective="val_loss", max_trials=2, max_consecutive_failed_trials=1)
    tuner.search(**DATA, epochs=3, callbacks=[HandedOnInTheSecond()], verbose=0)
    (other,) = others
    assert (other.number, other.attempt, other.last_step) == (1, 2, 1)
    first, second = study().trials()
    assert (first.state, first.metrics["val_loss"], len(first.measurements)) == ("SUCCEEDED", 1.0, 1)
    assert (second.state, len(second.measurements)) == ("SUCCEEDED", 3)


def test_the_weights_of_the_worker_that_has_the_trial_now_stay(
    tune: Tune, study: Callable[[], Study], server_url: str, tmp_path: Path
) -> None:
    weights = tmp_path / "tuning" / "s" / "trial_1" / "checkpoint.weights.h5"

    class HandedOnInTheSecond(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                httpx.post(f"{server_url}/v1/{study().name}/trials/1:release", json={}).raise_for_status()
                Client(server_url, worker="other").get_study("s").ask().complete({"val_loss": 1.0})
                weights.write_bytes(b"the other's")

    tuner = tune(build_fixed, objective="val_loss", max_trials=1, upload=False)
    tuner.search(**DATA, epochs=3, callbacks=[HandedOnInTheSecond()], verbose=0)
    assert weights.read_bytes() == b"the other's"


def test_a_trial_that_somebody_else_ended(tune: Tune, study: Callable[[], Study], end: Callable[[int], None]) -> None:
    class EndInTheSecond(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1 and study().trial(1).state == "ACTIVE":
                end(1)

    tuner = tune(build_fixed, objective="val_loss", max_trials=2)
    tuner.search(**DATA, epochs=3, callbacks=[EndInTheSecond()], verbose=0)
    first, second = study().trials()
    assert (first.state, first.infeasible_reason, len(first.measurements)) == ("INFEASIBLE", "somebody says so", 1)
    assert (second.state, len(second.measurements)) == ("SUCCEEDED", 3)


def test_trials_that_are_lost_at_the_end_do_not_count_as_failures(
    tune: Tune, study: Callable[[], Study], end: Callable[[int], None]
) -> None:
    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            if trial.trial_id != "4":
                end(int(trial.trial_id))
            return 1.0

    tune(tuner=Tuner, max_trials=4).search(verbose=0)
    assert states(study()) == ["INFEASIBLE"] * 3 + ["SUCCEEDED"]


@pytest.mark.parametrize("same", [False, True], ids=["another-tuner", "the-same-tuner"])
def test_an_outage_never_makes_a_finished_training_a_failed_trial(
    tune: Tune, study: Callable[[], Study], client: Client, same: bool
) -> None:
    class Outage(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            transport = tuner.oracle._shared.client._transport
            transport._base = transport._base.replace("http://127.0.0.1", "http://127.0.0.2")
            transport._retry = Retry(0.2, 0.2)

    arguments = {"objective": "val_loss", "max_trials": 1, "tuner_id": "gpu-1"}
    tuner = tune(build_fixed, **arguments)
    with pytest.raises(SearchInterrupted, match="no server answered") as caught:
        tuner.search(**DATA, epochs=1, callbacks=[Outage()], verbose=0)
    assert isinstance(caught.value, FatalError)
    assert isinstance(caught.value, ServerUnreachable)
    assert states(study()) == ["ACTIVE"]
    session = tuner.oracle._shared.client._session
    assert not session.trials(), "no heartbeat keeps it"
    session.transport._base = session.transport._base.replace("http://127.0.0.2", "http://127.0.0.1")
    (tuner if same else tune(build_fixed, **arguments)).search(**DATA, epochs=1, verbose=0)
    assert states(study()) == ["SUCCEEDED"]


def test_the_oracle_by_hand(tune: Tune, study: Callable[[], Study]) -> None:
    oracle = tune(tuner=gives(), objective="val_loss", max_trials=2).oracle
    assert oracle.create_trial("tuner0").trial_id == "1"
    trial = oracle.create_trial("tuner0")
    assert trial.trial_id == "1", "it is not finished yet"
    assert not oracle.get_trial("1").metrics.exists("val_loss")
    with pytest.raises(ValueError, match="Objective value missing"):
        oracle.update_trial("1", {"loss": 1.0})
    for step, value in enumerate([3.0, 1.0, 2.0]):
        oracle.update_trial("1", {"val_loss": value, "loss": value / 2}, step)
    oracle.end_trial("1", "COMPLETED")
    oracle.end_trial(trial)
    assert (trial.status, trial.score, trial.best_step) == ("COMPLETED", 1.0, 1)
    assert study().trial(1).metrics == {"val_loss": 1.0, "loss": 0.5}
    fetched = oracle.get_trial("1")
    assert (fetched.status, fetched.score, fetched.best_step) == ("COMPLETED", 1.0, 1)
    assert fetched.metrics.get_direction("val_loss") == "min"
    for unknown in ("9", "none"):
        with pytest.raises(KeyError):
            oracle.get_trial(unknown)
    assert oracle.create_trial("tuner0").trial_id == "2"
    oracle.update_trial("2", {"val_loss": 2.0})
    oracle.end_trial("2", "COMPLETED")
    assert oracle.create_trial("another").status == "STOPPED"
    assert list(oracle.trials) == oracle.start_order == oracle.end_order == ["1", "2"]
