"""A training that a crash has ended goes on from its last backup: no epoch is lost, trained twice or reported twice."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
from keras_tuner import HyperModel, HyperParameters, Objective

from dodona import Client, NotFound, Study, TrialRecord
from dodona.keras import CloudTuner
from tests.keras.interrupting import Interrupted, Tune
from tests.keras.models import DATA, X, Y, build_fixed, compile_model
from tests.keras.test_workers import ROOT, wait_for
from tests.keras.zygote import fingerprint
from tests.support.processes import ServerProcess, environment

EPOCHS = 6
Start = Callable[..., int]


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Imports TensorFlow once for all workers; they have one name, and so each is given what the last one ran."""
    log = tmp_path_factory.mktemp("zygote") / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.keras.zygote"],
            cwd=ROOT,
            env=environment(TF_CPP_MIN_LOG_LEVEL="3", DODONA_WORKER="w"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", log.read_text()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def journal(tmp_path: Path) -> Callable[[], list[list[Any]]]:
    path = tmp_path / "journal"
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def start(zygote: subprocess.Popen[str], server: ServerProcess, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker process, and gives its id."""
    started = []

    def begin(directory: Path, **job: Any) -> int:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        defaults = {"url": server.url, "study_id": "s", "max_trials": 1, "epochs": EPOCHS, "pause": 0.3}
        places = {"directory": str(directory), "journal": str(tmp_path / "journal"), "backup_seconds": 0}
        zygote.stdin.write(json.dumps({**defaults, **places, **job}) + "\n")
        zygote.stdin.flush()
        started.append(int(zygote.stdout.readline()))
        return started[-1]

    yield begin
    for worker in started:
        os.kill(worker, signal.SIGKILL)


def trial_on(server: ServerProcess) -> TrialRecord | None:
    try:
        return Client(server.url).get_study("s").trial(1)
    except NotFound:
        return None


def said(journal: Callable[[], list[list[Any]]], worker: int) -> str | None:
    return next((words[2] for words in journal() if words[:2] == [worker, "said"]), None)


def epochs(journal: Callable[[], list[list[Any]]], worker: int) -> list[int]:
    """The epochs that a worker has trained to their ends."""
    return [words[2] for words in journal() if words[:2] == [worker, "ended"]]


@pytest.mark.parametrize("shared", [False, True], ids=["artifact-store", "shared-directory"])
def test_another_process_goes_on_after_kill_9(
    start: Start, server: ServerProcess, journal: Callable[[], list[list[Any]]], tmp_path: Path, shared: bool
) -> None:
    folders = [tmp_path / ("shared" if shared else name) for name in ("one", "two", "three")]
    arguments = {"upload": not shared}
    first = start(folders[0], **arguments, pause=0.6)

    def in_the_middle() -> bool:
        record = trial_on(server)
        return record is not None and record.checkpoint is not None and len(record.measurements) >= 3

    wait_for(in_the_middle)
    os.kill(first, signal.SIGKILL)
    if shared:
        # As a kill while a backup is copied leaves it.
        (backup, *_) = folders[0].rglob("backup-*.zip")
        backup.with_name(f"{backup.name}.{uuid.uuid4().hex}").write_bytes(b"half")
    second = start(folders[1], **arguments, pause=0.0)
    expected = wait_for(lambda: said(journal, second))

    record = trial_on(server)
    assert record is not None
    assert (record.state, record.attempt) == ("SUCCEEDED", 2)
    assert [measured.step for measured in record.measurements] == list(range(1, EPOCHS + 1))
    begun, trained = epochs(journal, first), epochs(journal, second)
    assert trained == list(range(trained[0], EPOCHS)), "and to the end"
    assert len(begun) - 1 <= trained[0] <= len(begun), "from the last epoch of which there was time for a backup"
    # The optimizer has made all steps, those before the crash among them.
    made = [words[3] for words in journal() if words[:2] == [second, "ended"]]
    assert made == [epoch + 1 for epoch in trained]
    values = [measured.metrics["val_loss"] for measured in record.measurements]
    assert record.metrics["val_loss"] == max(values) == values[0], "the best epoch was before the crash"

    # A third process, on another machine, with the weights of the first.
    reader = CloudTuner(build_fixed, url=server.url, study_id="s", directory=folders[2], upload=not shared)
    (model,) = reader.get_best_models()
    assert fingerprint(model) == expected
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(values[0])
    assert "backup" not in str(reader.oracle.study.all_artifacts())
    assert not list(tmp_path.rglob("backup-*"))


def test_a_server_that_is_restarted_amid_an_epoch_disturbs_nothing(
    start: Start, server: ServerProcess, journal: Callable[[], list[list[Any]]], tmp_path: Path
) -> None:
    worker = start(tmp_path / "one")
    wait_for(lambda: 1 in epochs(journal, worker))
    server.kill()
    wait_for(lambda: 3 in epochs(journal, worker))
    server.start()
    wait_for(lambda: said(journal, worker))
    record = trial_on(server)
    assert record is not None
    assert (record.state, record.attempt) == ("SUCCEEDED", 1)
    assert [measured.step for measured in record.measurements] == list(range(1, EPOCHS + 1))
    assert epochs(journal, worker) == list(range(EPOCHS))


@pytest.fixture
def interrupted(tune: Tune) -> Interrupted:
    return Interrupted(tune)


def steps(study: Callable[[], Study]) -> list[int]:
    (record,) = study().trials()
    assert record.state == "SUCCEEDED"
    return [measured.step for measured in record.measurements]


def test_a_trial_that_was_handed_back_goes_on_too(interrupted: Interrupted, study: Callable[[], Study]) -> None:
    assert interrupted(2) == [2]
    assert steps(study) == [1, 2, 3]


def test_executions_that_are_over_are_not_run_again(interrupted: Interrupted, study: Callable[[], Study]) -> None:
    assert interrupted(5, executions_per_trial=2) == [2]
    assert steps(study) == [1, 2, 3, 4, 5, 6]
    (record,) = study().trials()
    losses = [measured.metrics["val_loss"] for measured in record.measurements]
    assert record.metrics["val_loss"] == pytest.approx((min(losses[:3]) + min(losses[3:])) / 2)


def test_it_may_be_switched_off(interrupted: Interrupted, study: Callable[[], Study]) -> None:
    assert interrupted(2, backup_seconds=None) == [0, 1, 2]
    assert steps(study) == [1, 2, 3]
    assert {one.name for one in study().all_artifacts()} == {"checkpoint.weights.h5", "build_config.json"}


def build_wider(hp: HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(7), keras.layers.Dense(2, activation="softmax")])
    hp.Int("seed", 0, 1_000_000)
    compile_model(model, keras.optimizers.Adam(0.1))
    return model


def test_a_backup_that_does_not_fit_is_left(
    interrupted: Interrupted, study: Callable[[], Study], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "dodona"):
        assert interrupted(2, build_fixed, build_wider) == [0, 1, 2]
    assert "trial 1 starts from the beginning, its backup does not fit" in caplog.text
    assert steps(study) == [1, 2, 3]
    (record,) = study().trials()
    assert record.metrics["val_loss"] == min(measured.metrics["val_loss"] for measured in record.measurements)
    assert len(interrupted.tuner.get_best_models()) == 1


def test_a_broken_backup_is_left(
    interrupted: Interrupted, study: Callable[[], Study], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaks(CloudTuner):
        def search(self, *args: Any, **kwargs: Any) -> None:
            for backup in tmp_path.rglob("backup-*"):
                backup.write_bytes(backup.read_bytes()[:100])
            super().search(*args, **kwargs)

    with caplog.at_level(logging.WARNING, "dodona"):
        assert interrupted(2, tuner=Breaks, upload=False) == [0, 1, 2]
    assert "a backup of trial 1 is broken" in caplog.text
    assert steps(study) == [1, 2, 3]


@pytest.mark.parametrize(
    ("at", "resumed"),
    [
        pytest.param(2, [2, 0, 1, 2], id="in-the-first-fit"),
        pytest.param(4, [0, 1, 2, 0, 1, 2], id="in-the-second"),
    ],
)
def test_a_hypermodel_that_fits_twice_trains_both_to_their_ends(
    interrupted: Interrupted, study: Callable[[], Study], at: int, resumed: list[int]
) -> None:
    class Twice(HyperModel):
        def build(self, hp: HyperParameters) -> keras.Model:
            return build_fixed(hp)

        def fit(self, hp: HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            model.fit(*args, **kwargs)
            return model.fit(*args, **kwargs)

    assert interrupted(at, Twice()) == resumed
    assert steps(study) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("said", [{}, {"epochs": 3}], ids=["as-it-is", "as-in-fit"])
def test_a_loop_that_calls_the_callbacks_itself_begins_anew(
    interrupted: Interrupted, study: Callable[[], Study], said: dict[str, int]
) -> None:
    made = []

    class Loop(HyperModel):
        def build(self, hp: HyperParameters) -> keras.Model:
            return build_fixed(hp)

        def fit(self, hp: HyperParameters, model: keras.Model, x: Any, y: Any, callbacks: Any, **_kwargs: Any) -> Any:
            model.build(x.shape)
            called = keras.callbacks.CallbackList(callbacks, model=model, **said)
            called.on_train_begin()
            for epoch in range(3):
                called.on_epoch_begin(epoch)
                loss, _ = model.train_on_batch(x, y)
                made.append(int(model.optimizer.iterations))
                called.on_epoch_end(epoch, {"val_loss": float(loss)})
            called.on_train_end()
            return {"val_loss": float(loss)}

    assert interrupted(2, Loop()) == [0, 1, 2]
    assert made == [1, 2, 1, 2, 3]
    assert steps(study) == [1, 2, 3]


def test_each_fold_of_an_overridden_run_trial_is_whole(interrupted: Interrupted, study: Callable[[], Study]) -> None:
    class Folds(CloudTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            return super().run_trial(trial, *args, **kwargs) + super().run_trial(trial, *args, **kwargs)

    assert interrupted(5, tuner=Folds) == [0, 1, 2, 0, 1, 2]
    assert steps(study) == [1, 2, 3, 4, 5, 6]


def test_so_it_is_if_something_else_calls_run_trial_twice(interrupted: Interrupted, study: Callable[[], Study]) -> None:
    class Calls(CloudTuner):
        def _run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
            self.run_trial(trial, *args, **kwargs)
            super()._run_and_update_trial(trial, *args, **kwargs)

    assert interrupted(5, tuner=Calls) == [0, 1, 2, 0, 1, 2]
    assert steps(study) == [1, 2, 3, 4, 5, 6]


def test_a_run_trial_that_returns_nothing_has_the_best_epoch_of_all(
    interrupted: Interrupted, study: Callable[[], Study]
) -> None:
    class Silent(CloudTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
            super().run_trial(trial, *args, **kwargs)

    assert interrupted(2, tuner=Silent, objective=Objective("val_loss", "max")) == [0, 1, 2]
    (record,) = study().trials()
    assert record.metrics["val_loss"] == max(measured.metrics["val_loss"] for measured in record.measurements)


def test_a_trial_that_is_retried_after_it_failed_begins_anew(tune: Tune, study: Callable[[], Study]) -> None:
    trained: list[int] = []

    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            trained.append(epoch)
            if len(trained) == 2:
                raise ValueError("not this time")

    tuner = tune(
        build_fixed,
        objective=Objective("val_loss", "min"),
        algorithm="random_search",
        max_trials=1,
        max_retries_per_trial=1,
        backup_seconds=0,
    )
    tuner.search(**DATA, epochs=3, callbacks=[Fails()], verbose=0)
    assert trained == [0, 1, 0, 1, 2]
    (record,) = study().trials()
    assert (record.state, record.attempt) == ("SUCCEEDED", 1)
