"""Checkpoints: where all workers find them, the best ones kept, the same predictions everywhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from dodona import Study
from dodona.keras import CloudTuner
from dodona.keras._checkpoints.retention import Checkpoints
from dodona.keras._checkpoints.storage import MODEL, ServerFileStore
from tests.keras.models import DATA, BlackBox, X, build, build_fixed
from tests.support.processes import ServerProcess

Tune = Callable[..., Any]
# Nothing to fit a model to.
RANDOM: dict[str, Any] = {"algorithm": "random_search"}


class Writes(BlackBox):
    """Trains nothing, but leaves weights behind as a training would: a number each; the last trial is the best."""

    text = ""

    def value(self, x: float, trial: Any) -> float:
        for path in (self._get_checkpoint_fname(trial.trial_id), self._get_build_config_fname(trial.trial_id)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(self.text or trial.trial_id)
        return -float(trial.trial_id)

    def load(self, number: int) -> str:
        """The weights that are found of a trial."""
        self._checkpoints.fetch(number)
        return Path(self._get_checkpoint_fname(str(number))).read_text()


def folders(folder: Path) -> set[int]:
    """The trials of which there is a checkpoint."""
    return {int(path.parent.name.removeprefix("trial_")) for path in folder.rglob("checkpoint.weights.h5")}


def best_of(study: Study, count: int) -> set[int]:
    return {record.number for record in study.best_trials(count)}


def same(one: Any, other: Any) -> bool:
    return np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_the_best_models_are_the_same_bit_for_bit_without_a_shared_disk(
    tune: Tune, study: Callable[[], Study], tmp_path: Path
) -> None:
    said = {}

    class Watching(CloudTuner):
        def on_trial_end(self, trial: Any) -> None:
            # A model is there for the tuner's own hooks, whether or not it will be kept.
            said[trial.trial_id] = self.load_model(trial)(X)
            super().on_trial_end(trial)

    one = tune(build, Watching, **RANDOM, objective="val_accuracy", max_trials=3, keep_checkpoints=2)
    one.search(**DATA, epochs=2, verbose=0)
    best = best_of(study(), 2)
    assert folders(tmp_path / "tuning") == best
    assert {artifact.trial for artifact in study().all_artifacts()} == best
    assert {artifact.name for artifact in study().all_artifacts()} == {"checkpoint.weights.h5", "build_config.json"}
    other = tune(build, directory=tmp_path / "another machine")
    models = other.get_best_models(2)
    assert len(models) == 2
    for trial, model in zip(other.oracle.get_best_trials(2), models, strict=True):
        assert same(model(X), said[trial.trial_id])
    assert folders(tmp_path / "another machine") == best
    (rejected,) = {1, 2, 3} - best
    with pytest.raises(FileNotFoundError, match=f"the weights of trial {rejected} are neither .* the best 10 are kept"):
        other.load_model(other.oracle.get_trial(str(rejected)))


def test_a_file_that_is_not_the_trials_is_not_taken_for_it(tune: Tune, tmp_path: Path) -> None:
    stale = tmp_path / "tuning" / "s" / "trial_1" / "checkpoint.weights.h5"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an older study")
    tune(tuner=Writes, **RANDOM, max_trials=1).search()
    assert stale.read_text() == "1"
    stale.write_text("of another attempt")
    assert tune(tuner=Writes).load(1) == "1"
    tune(tuner=BlackBox, **RANDOM, study_id="t", project_name="s", max_trials=1).search()
    assert not stale.exists(), "a trial without weights has not those of its predecessor"


@pytest.fixture(params=["memory", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place for checkpoints."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/here"
    return "memory://models" if request.param == "memory" else f"file://{tmp_path}/shared"


def test_a_directory_may_be_any_url(tune: Tune, study: Callable[[], Study], place: str) -> None:
    tune(tuner=Writes, **RANDOM, max_trials=4, keep_checkpoints=2, directory=place).search()
    files, root = fsspec.core.url_to_fs(place)
    found = {path.removeprefix(root).strip("/") for path in files.find(root)}
    assert found == {f"s/trial_{number}/{name}" for number in (3, 4) for name in MODEL}
    assert study().all_artifacts() == []
    assert tune(tuner=Writes, directory=place).load(3) == "3"
    with pytest.raises(FileNotFoundError):
        tune(tuner=Writes, directory=place).load(1)
    files.rm(root, recursive=True)


def test_a_shared_directory_needs_no_upload(tune: Tune, study: Callable[[], Study], tmp_path: Path) -> None:
    tune(tuner=Writes, **RANDOM, max_trials=3, keep_checkpoints=1, upload=False).search()
    assert study().all_artifacts() == []
    assert folders(tmp_path / "tuning") == {3}
    assert tune(tuner=Writes, upload=False).load(3) == "3"


def test_all_may_be_kept(tune: Tune, study: Callable[[], Study], tmp_path: Path) -> None:
    tune(tuner=Writes, **RANDOM, max_trials=3, keep_checkpoints=None).search()
    assert folders(tmp_path / "tuning") == {1, 2, 3}
    assert {artifact.trial for artifact in study().all_artifacts()} == {1, 2, 3}


def test_of_many_trials_only_the_best_were_ever_sent(
    tune: Tune, study: Callable[[], Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worse(Writes):
        def value(self, x: float, trial: Any) -> float:
            return -super().value(x, trial)

    saved, looked = [], []
    save, prune = ServerFileStore.save, Checkpoints._prune
    monkeypatch.setattr(ServerFileStore, "save", lambda *given: saved.append(given[1]) or save(*given))
    monkeypatch.setattr(Checkpoints, "_prune", lambda self: looked.append(prune(self)))
    tune(tuner=Worse, **RANDOM, max_trials=8, keep_checkpoints=2).search()
    assert set(saved) == {1, 2}
    assert len(looked) <= 4, "nothing is looked up while nothing changes"
    assert folders(tmp_path / "tuning") == {1, 2}


def run_one(tuner: CloudTuner) -> None:
    trial = tuner.oracle.create_trial(tuner.tuner_id)
    tuner._try_run_and_update_trial(trial)
    tuner.on_trial_end(trial)


def test_what_runs_elsewhere_and_what_users_write_stays(tune: Tune, study: Callable[[], Study], tmp_path: Path) -> None:
    tuner = tune(tuner=Writes, **RANDOM, max_trials=4, keep_checkpoints=1)
    run_one(tuner)
    running = study().ask("somebody else")
    notes = tmp_path / "tuning" / "s" / "trial_2" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("a user's own")
    (notes.parent / "checkpoint.weights.h5").write_bytes(b"in the making")
    running.artifacts.save("checkpoint.weights.h5", notes)
    running.artifacts.save("curve.png", notes)
    for _ in range(2):
        run_one(tuner)
    tuner._checkpoints.prune(in_any_case=True)
    assert folders(tmp_path / "tuning") == {2, 4}
    assert {one.trial for one in study().all_artifacts() if one.name == "checkpoint.weights.h5"} == {2, 4}
    running.fail("enough")
    tuner._checkpoints.prune(in_any_case=True)
    assert folders(tmp_path / "tuning") == {4}
    assert [one.name for one in study().artifacts(2)] == ["curve.png"]
    assert notes.read_text() == "a user's own"


def test_files_of_trials_that_the_study_does_not_have_stay(tune: Tune, tmp_path: Path) -> None:
    tune(tuner=Writes, **RANDOM, study_id="t", project_name="s", max_trials=3, upload=False).search()
    tune(tuner=Writes, **RANDOM, max_trials=2, keep_checkpoints=1, upload=False).search()
    assert folders(tmp_path / "tuning") == {2, 3}


@pytest.mark.parametrize("url", [False, True])
def test_a_project_of_keras_tuner_keeps_its_files(
    tune: Tune, study: Callable[[], Study], tmp_path: Path, caplog: pytest.LogCaptureFixture, url: bool
) -> None:
    project = tmp_path / "tuning" / "s"
    theirs = {project / "oracle.json": "{}", project / "trial_1" / "checkpoint.weights.h5": "theirs"}
    (project / "trial_1").mkdir(parents=True)
    for path, text in theirs.items():
        path.write_text(text)
    directory = f"file://{tmp_path}/tuning" if url else tmp_path / "tuning"
    arguments = {**RANDOM, "upload": False, "directory": directory, "max_trials": 2, "keep_checkpoints": 1}
    for _ in range(2):
        with caplog.at_level(logging.WARNING, "dodona"):
            tuner = tune(tuner=Writes, overwrite=True, study_id=None, project_name="s", **arguments)
        tuner.search()
        assert "is a project of KerasTuner, whose files stay as they are" in caplog.text
        assert tuner.load(2) == "2"
        assert study().display_name == "s"
        assert folders(project / "dodona") == {2}
        assert {path: path.read_text() for path in theirs} == theirs


def test_hyperband_may_promote_any_trial_until_it_is_over(tune: Tune, study: Callable[[], Study]) -> None:
    config = {
        "algorithm": "HYPERBAND",
        "algorithmOptions": {"max_epochs": 3, "factor": 3},
        "metrics": [{"metricId": "score", "goal": "MINIMIZE"}],
    }
    tuner = tune(tuner=Writes, study_config=config, keep_checkpoints=1)
    for done in range(1, 4):
        trial = tuner.oracle.create_trial(tuner.tuner_id)
        tuner._try_run_and_update_trial(trial)
        tuner.on_trial_end(trial)
        tuner._checkpoints.prune(in_any_case=True)
        assert {one.trial for one in study().all_artifacts()} == set(range(1, done + 1))
    tuner.search()
    assert study().state == "COMPLETED"
    assert {one.trial for one in study().all_artifacts()} == best_of(study(), 1)


@pytest.fixture
def limited(tmp_path: Path, postgres_url: str) -> Iterator[Callable[..., Any]]:
    """Makes a tuner of a server that stores no artifacts, or one with a limit."""
    started = []

    def make(limit: str | None = None) -> CloudTuner:
        folder = tmp_path / "server"
        folder.mkdir()
        variables = {} if limit is None else {"DODONA_MAX_ARTIFACT_BYTES": limit}
        started.append(ServerProcess(folder, postgres_url if limit is None else None, **variables).start())
        url = started[0].url
        return Writes(**RANDOM, max_trials=2, study_id="s", url=url, directory=tmp_path / "tuning")

    yield make
    for server in started:
        server.stop()


def test_what_the_server_does_not_take_costs_no_result(
    limited: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    tuner = limited("5")
    tuner.text = "too large"
    with caplog.at_level(logging.WARNING, "dodona"):
        tuner.search()
    assert [record.state for record in tuner.oracle.study.trials()] == ["SUCCEEDED", "SUCCEEDED"]
    assert "this worker could not keep checkpoints" in caplog.text
    assert "this server allows 5" in caplog.text
    assert tuner.load(2) == "too large", "on the machine that trained them they are there"


def test_a_server_without_a_place_leaves_them_here(
    limited: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tuner = limited()
    with caplog.at_level(logging.WARNING, "dodona"):
        tuner.search()
    assert caplog.text.count("DODONA_ARTIFACTS") == 1, "told once, with what to set"
    assert folders(tmp_path / "tuning") == {1, 2}
    assert tuner.load(2) == "2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep_checkpoints": 0}, "keep_checkpoints is 0; it must be 1 or more, or None"),
        ({"backup_seconds": -1}, "backup_seconds is -1; it must be 0 or more, or None"),
        ({"directory": "nosuch://bucket"}, "nosuch"),
    ],
)
def test_arguments_that_make_no_sense(tune: Tune, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tune(build_fixed, objective="val_loss", algorithm="random_search", **arguments)
