"""What people look at while a search runs, and after it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pytest
from keras_tuner import HyperParameters
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from dodona import Study
from dodona.keras import CloudTuner
from tests.keras.models import DATA, BlackBox, build, build_fixed, compile_model

Tune = Callable[..., CloudTuner]


class Terminal(io.StringIO):
    """What a program writes that finds a terminal."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What was written, without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.getvalue()).replace("\r", "\n").splitlines()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in {"COLUMNS": "120", "LINES": "40", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    return Terminal()


def test_a_terminal_shows_trial_study_and_worker(tune: Tune, study: Callable[[], Study], terminal: Terminal) -> None:
    tuner = tune(build_fixed, objective="val_accuracy", max_trials=2, executions_per_trial=2)
    with redirect_stdout(terminal):
        tuner.search(**DATA, epochs=2)
    lines = terminal.lines()
    results = [line for line in lines if re.match(r"trial \d/2  val_accuracy 0\.\d+  best 0\.\d+ \(trial \d\)  ", line)]
    assert len(results) == 2, "a line for each trial stays above"
    assert [line for line in lines if re.match(r"trial 2 +\S+ +epoch \d/4 +0:", line)], (
        "as many as both executions have"
    )
    best = tuner.oracle.get_best_trials()[0]
    assert best.score is not None
    study_now, worker_now = [line for line in lines if line.strip()][-2:]
    found = rf"best {best.score:.5g} \(trial {best.trial_id}\)"
    assert re.match(rf"study s +━+ +trial 2/2 +0:\d\d, 0:00 left +{found}", study_now)
    assert re.match(rf"this worker +2 trials +{found}", worker_now)
    assert "ms/step" not in terminal.getvalue(), "Keras's own bars keep out of the way"


def test_a_custom_loop_shows_its_epochs(tune: Tune, terminal: Terminal) -> None:
    shown = []

    class Tuner(BlackBox):
        def value(self, x: float, trial: Any) -> float:
            self.on_epoch_end(trial, keras.Sequential(), 0, {"default_objective": 0.25})
            shown.append(tuner.oracle._display.progress.table())
            return x

    tuner = tune(tuner=Tuner, max_trials=1)
    with redirect_stdout(terminal):
        tuner.search()
    (table,) = shown
    cells = [list(column.cells) for column in table.columns]
    row = [str(column[0]) for column in cells]
    assert re.fullmatch(r"0:\d\d", row.pop(3))
    assert row == ["trial 1", "", "epoch 1", "default_objective 0.25"]


def test_a_search_shows_the_address_of_its_page(tune: Tune, terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        tuner = tune(tuner=BlackBox, max_trials=1)
        tuner.search()
    study = tuner.oracle.study
    assert terminal.getvalue().splitlines().count(f"study {study.display_name}: {study.url}") == 1


@pytest.mark.parametrize("verbose", [0, 1])
def test_with_verbose_keras_shows_its_own_bars_or_nothing(tune: Tune, terminal: Terminal, verbose: int) -> None:
    with redirect_stdout(terminal):
        tune(build_fixed, objective="val_accuracy", max_trials=1).search(**DATA, epochs=1, verbose=verbose)
    if not verbose:
        assert terminal.getvalue() == ""
        return
    assert "ms/step" in terminal.getvalue()
    assert "this worker" not in terminal.getvalue()
    assert "trial 1/1 begins: seed=" in terminal.getvalue()


def logged(folder: Path) -> dict[str, dict[str, Any]]:
    """The hyperparameters of each trial in a log of TensorBoard, as the HParams plugin finds them, by trial."""
    found = {}
    for run in folder.glob("*/execution0"):
        told = EventAccumulator(str(run)).Reload().PluginTagToContent("hparams")["_hparams_/session_start_info"]
        started = plugin_data_pb2.HParamsPluginData.FromString(told).session_start_info
        values = {name: getattr(value, value.WhichOneof("kind")) for name, value in started.hparams.items()}
        assert run.parent.name == started.group_name
        assert EventAccumulator(str(run / "validation")).Reload().Tensors("epoch_accuracy"), "with the metrics below"
        found[started.group_name] = values
    return found


def test_tensorboard_has_every_trial_of_all_workers(tune: Tune, study: Callable[[], Study], tmp_path: Path) -> None:
    def build_both(hp: HyperParameters) -> keras.Model:
        kind = hp.Choice("kind", ["a", "b"])
        for name, least in (("a", 1), ("b", 5)):
            with hp.conditional_scope("kind", [name]):
                # Of one name, under two conditions.
                hp.Int("size", least, least + 3)
        hp.Boolean("flag")
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(0.1 if kind == "a" else 0.2))
        return model

    logs = tmp_path / "logs"
    first = tune(build_both, objective="val_accuracy", max_trials=4, tuner_id="w1", seed=1)
    second = tune(build_both, objective="val_accuracy", max_trials=4, tuner_id="w2")

    for tuner in (first, second, first, second):
        trial = tuner.oracle.create_trial(tuner.tuner_id)
        callbacks = [keras.callbacks.TensorBoard(logs, write_graph=False)]
        tuner._try_run_and_update_trial(trial, **DATA, epochs=1, verbose=0, callbacks=callbacks)
        tuner.on_trial_end(trial)
    records = {str(record.number): record for record in study().trials()}
    assert [record.worker for record in records.values()] == ["w1", "w2", "w1", "w2"]
    found = logged(logs)
    assert found.keys() == records.keys()
    for number, record in records.items():
        assert found[number] == dict(record.parameters)


def test_the_summaries_are_those_of_keras_tuner(tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = tune(build, objective="val_accuracy", max_trials=2, directory=tmp_path, project_name="p")
    ours.search(**DATA, epochs=1, verbose=0)
    theirs = keras_tuner.RandomSearch(
        build, objective="val_accuracy", max_trials=2, directory=tmp_path, project_name="p"
    )
    # The same trials, in KerasTuner's own oracle.
    theirs.oracle.trials = ours.oracle.trials
    capsys.readouterr()
    for show in ("results_summary", "search_space_summary"):
        said = []
        for tuner in (ours, theirs):
            getattr(tuner, show)()
            said.append(capsys.readouterr().out)
        assert said[0] == said[1]
        assert len(said[0].splitlines()) > 8


EVIL = "x\x1b[2J\u202e[red]y"
SAFE = r"x\x1b[2J\u202e[red]y"


def test_no_name_moves_the_cursor(
    tune: Tune, terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Own(CloudTuner):
        def run_trial(self, trial: Any, *_args: Any, **_kwargs: Any) -> float:
            self.on_epoch_end(trial, keras.Model(), 0, {EVIL: 1.0})
            return len(trial.hyperparameters.Choice(EVIL, [EVIL]))

    objective = keras_tuner.Objective(EVIL, "min")
    tuner = tune(tuner=Own, objective=objective, max_trials=1, study_id=EVIL, directory=tmp_path, project_name="p")
    with redirect_stdout(terminal):
        tuner.search()
    tuner.results_summary()
    tuner.search_space_summary()
    for said in (terminal.getvalue(), capsys.readouterr().out):
        assert SAFE in said
        assert EVIL not in said
        assert "\x1b[2J" not in said
        assert "\u202e" not in said
