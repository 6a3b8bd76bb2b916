"""Study names as folders: never outside of the directory, the same for every worker, and old ones are found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dodona import Study
from dodona.keras import CloudTuner, SklearnTuner
from dodona.keras._study.folders import MAX_NAME_BYTES, folder_name, project_folder
from tests.keras.models import DATA, build_fixed

Tune = Callable[..., CloudTuner]

HARMFUL = [
    "../../x",
    "..",
    ".",
    "/abs",
    "\\abs",
    "C:\\x",
    "a/b",
    "a/../../b",
    "a\\b",
    "nul\0l",
    "line\nbreak",
    "x" * 300,
    "é" * 150,
    "\udcff",
    "CON",
    "con.txt",
    "Lpt1",
    "COM¹",
    "aux .h",
    "dot.",
    "space ",
    "a:b",
    "what?",
    "memory://x",
    "a::b",
    "*",
]


@pytest.mark.parametrize("name", HARMFUL, ids=range(len(HARMFUL)))
def test_a_harmful_name_gets_a_safe_folder(name: str, tmp_path: Path) -> None:
    folder = folder_name(name)
    assert folder == folder_name(name) == folder_name(folder)
    assert len(folder.encode()) <= MAX_NAME_BYTES
    assert set(folder) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    path = project_folder(str(tmp_path), name)
    assert os.path.realpath(path) == str(tmp_path / folder)
    os.makedirs(path)


def test_different_names_have_different_folders() -> None:
    names = [*HARMFUL, "../x", "../../../x", "x" * 301, "a_b", "abs", "x"]
    assert len({folder_name(name).lower() for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["mnist", "my study", "Größe", "a.b-c_d", "x" * 128, "console", "nullable", "com10", ".x"]
)
def test_other_names_are_their_folders(name: str) -> None:
    assert folder_name(name) == name


@pytest.mark.parametrize("name", ["a/b", "what?", "x" * 200, "CON"])
@pytest.mark.parametrize("file", ["trial_1/checkpoint.weights.h5", "oracle.json"])
def test_an_old_folder_inside_is_found(name: str, file: str, tmp_path: Path) -> None:
    old = tmp_path / name / file
    old.parent.mkdir(parents=True)
    old.touch()
    expected = tmp_path / name / "dodona" if file == "oracle.json" else tmp_path / name
    assert project_folder(str(tmp_path), name) == str(expected)


def test_an_old_folder_outside_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x" / "trial_1").mkdir(parents=True)
    inside = tmp_path / "tuning" / "deep"
    inside.mkdir(parents=True)
    for name in ("../../x", str(tmp_path / "x")):
        assert os.path.dirname(project_folder(str(inside), name, warn=True)) == str(inside)
    assert caplog.text.count("is no longer used: files go to") == 2


def test_a_folder_that_only_has_the_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a" / "trial_1").mkdir(parents=True)
    (tmp_path / "a" / "trial_1" / "checkpoint.weights.h5").touch()
    assert project_folder(str(tmp_path), "a/trial_1") == str(tmp_path / folder_name("a/trial_1"))


@pytest.mark.parametrize("argument", ["study_id", "project_name"])
@pytest.mark.parametrize("name", ["../../x", "/abs", "é" * 150, "CON"], ids=["up", "root", "long", "reserved"])
def test_a_search_writes_nothing_outside_its_directory(
    tune: Tune, tmp_path: Path, name: str, argument: str, client: Any
) -> None:
    inside = tmp_path / "a" / "b"
    names = {"study_id": None, argument: name}
    tuner = tune(build_fixed, objective="val_loss", max_trials=1, directory=inside, upload=False, **names)
    tuner.search(**DATA, epochs=1, verbose=0)
    study: Study = client.get_study(name)
    assert [record.state for record in study.trials()] == ["SUCCEEDED"]
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.h5")} == {("a", "b")}
    other = tune(build_fixed, objective="val_loss", directory=inside, upload=False, **names)
    assert len(other.get_best_models()) == 1
    assert other.project_dir == tuner.project_dir


def test_a_url_as_the_directory(tune: Tune, client: Any) -> None:
    arguments = {"objective": "val_loss", "directory": "memory://harmful/deep", "study_id": "../../x"}
    tune(build_fixed, max_trials=1, **arguments).search(**DATA, epochs=1, verbose=0)
    assert len(tune(build_fixed, **arguments).get_best_models()) == 1
    import fsspec

    found = fsspec.filesystem("memory").find("/")
    assert all(name.startswith("/harmful/deep/") for name in found if "checkpoint" in name and "harmful" in name)
    assert any("/harmful/deep/x-" in name for name in found)


def test_tuners_of_anything_else(server_url: str, tmp_path: Path) -> None:
    tuner = SklearnTuner(
        "random_search", build_fixed, max_trials=1, url=server_url, directory=tmp_path, study_id="../y"
    )
    assert Path(tuner.project_dir).parent == tmp_path
    assert Path(tuner.get_trial_dir("1")).parent.parent == tmp_path
