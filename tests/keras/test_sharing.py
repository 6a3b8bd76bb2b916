"""Workers that join a study, their names, and overwrite=True."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import keras
import pytest
from keras_tuner import HyperParameters, Objective
from keras_tuner.errors import FailedTrialError

from dodona import Client, Study, TrialRecord
from dodona.keras import CloudTuner
from dodona.keras._process.state import process_state
from dodona.keras._study import overwrite
from dodona.keras._study.overwrite import _in_use
from tests.keras.models import BlackBox, build, build_fixed

Tune = Callable[..., CloudTuner]


class Builds:
    """A hypermodel that counts how often it is built."""

    def __init__(self, build: Callable[[HyperParameters], Any]) -> None:
        self._build = build
        self.count = 0

    def __call__(self, hp: HyperParameters) -> keras.Model:
        self.count += 1
        return self._build(hp)


def test_all_scopes_are_explored_by_the_first_worker_alone(tune: Tune) -> None:
    def build_nested(hp: HyperParameters) -> keras.Model:
        for outer in ("a", "b", "c"):
            chosen = hp.Choice("outer", ["a", "b", "c"])
            with hp.conditional_scope("outer", [outer]):
                if chosen == outer:
                    deep = hp.Boolean(f"{outer}/deep")
                    with hp.conditional_scope(f"{outer}/deep", [True]):
                        if deep:
                            hp.Int(f"{outer}/depth", 1, 3)
        return build_fixed(hp)

    first, second = Builds(build_nested), Builds(build_nested)
    made = tune(first, objective="loss")
    joined = tune(second)
    assert (first.count, second.count) == (6, 1)
    names = [hp.name for hp in joined.oracle.get_space().space]
    assert names == [hp.name for hp in made.oracle.get_space().space]
    assert {f"{outer}/{name}" for outer in "abc" for name in ("deep", "depth")} <= set(names)
    assert joined.oracle.objective == Objective("loss", "min")


def test_a_build_that_fails_does_not_end_the_exploration(tune: Tune) -> None:
    def build_picky(hp: HyperParameters) -> keras.Model:
        if hp.Choice("size", ["big", "small"]) == "big":
            raise FailedTrialError("too big")
        hp.Float("rate", 0, 1)
        return build_fixed(hp)

    tuner = tune(build_picky, objective="loss")
    assert [hp.name for hp in tuner.oracle.get_space().space] == ["size"]


def test_a_worker_that_joins_adds_what_the_study_lacks(
    tune: Tune, study: Callable[[], Study], caplog: pytest.LogCaptureFixture
) -> None:
    def build_more(hp: HyperParameters) -> keras.Model:
        hp.Boolean("augment")
        with hp.conditional_scope("augment", [True]):
            hp.Int("angle", 0, 90)
        return build(hp)

    declared = HyperParameters()
    declared.Int("units", 2, 64)
    tune(build, objective="val_accuracy", max_trials=5, seed=3)
    with caplog.at_level(logging.WARNING, "dodona"):
        joined = tune(build_more, hyperparameters=declared, max_trials=9, seed=4, algorithm="random_search")
    assert {"augment", "units", "lr"} <= study().space.keys()
    assert joined.oracle.get_space().get("augment") is False
    assert joined.oracle.max_trials == 5
    for difference in ("max_trials is 5, not 9", "seed is 3, not 4", "max_value: 8, step: 2", "max_value: 64, step: 1"):
        assert difference in caplog.text


@pytest.mark.parametrize("other", ["val_loss", Objective("val_accuracy", "min"), ["val_accuracy", "val_loss"]])
def test_another_objective_is_refused(tune: Tune, other: Any) -> None:
    tune(build_fixed, objective="val_accuracy")
    with pytest.raises(ValueError, match=r"the study 's' optimizes val_accuracy \(max\), not .*another study_id"):
        tune(build_fixed, objective=other)
    tune(build_fixed, objective=Objective("val_accuracy", "max"))


def test_something_to_train_is_needed(tune: Tune, client: Client) -> None:
    with pytest.raises(ValueError, match="Received `hypermodel=None`: without a hypermodel"):
        tune()
    with pytest.raises(ValueError, match=r"Unrecognized arguments \['no_such_thing'\]"):
        tune(build_fixed, no_such_thing=1)
    assert list(client.studies()) == []


def test_names_of_workers(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tune(tuner=BlackBox), tune(tuner=BlackBox)
    assert one.tuner_id != other.tuner_id
    assert "tuner0" not in (one.tuner_id, other.tuner_id)
    named = [tune(tuner=BlackBox, tuner_id="tuner0") for _ in range(2)]
    assert len({name for tuner in named for name in (tuner.tuner_id, tuner.oracle.worker)} - {"tuner0"}) == 2
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    assert tune(tuner=BlackBox).tuner_id == "chief"
    monkeypatch.setenv("DODONA_WORKER", "gpu-1")
    assert tune(tuner=BlackBox).tuner_id == "gpu-1"
    assert tune(tuner=BlackBox, tuner_id="gpu-2").tuner_id == "gpu-2"


def test_keras_tuners_own_distribution_is_left_out(
    tune: Tune, study: Callable[[], Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TUNER_ID": "chief", "ORACLE_IP": "127.0.0.1", "ORACLE_PORT": "1"}.items():
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    tuner = tune(tuner=BlackBox, max_trials=1)
    tuner.search(verbose=0)
    assert study().trials()[0].worker == "chief"


def test_a_folder_of_keras_tuner_is_no_search_to_go_on_with(
    tune: Tune, tmp_path: Path, study: Callable[[], Study]
) -> None:
    (tmp_path / "tuning" / "s").mkdir(parents=True)
    (tmp_path / "tuning" / "s" / "tuner0.json").write_text("{}")
    tune(build, objective="val_accuracy")
    assert "units" in study().space


def test_names_of_studies(tune: Tune, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tune(tuner=BlackBox, study_id=None, project_name="project")
    tune(tuner=BlackBox, study_id="a name / with more", project_name="folder")
    with caplog.at_level(logging.WARNING, "dodona"):
        unnamed = [tune(tuner=BlackBox, study_id=None) for _ in range(2)]
    names = [tuner.oracle.study_id for tuner in unnamed]
    assert names[0] != names[1]
    assert f"the study is called '{names[0]}'" in caplog.text
    assert [study.display_name for study in client.studies()] == ["project", "a name / with more", *names]


# --- overwrite=True


def record(state: str, worker: str | None, ended: datetime | None = None, number: int = 1) -> TrialRecord:
    return TrialRecord(number, state, {}, {}, (), worker, None, ended, None, 1)


NOW = datetime(2025, 1, 1, tzinfo=UTC)
LONG_AGO, JUST_NOW = NOW - timedelta(minutes=2), NOW - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([], "it has no trial yet"),
        ([record("SUCCEEDED", "w", LONG_AGO), record("INFEASIBLE", "v", LONG_AGO)], ""),
        ([record("SUCCEEDED", "w", LONG_AGO), record("SUCCEEDED", "v", JUST_NOW)], "its last trial ended 5 s ago"),
        ([record("SUCCEEDED", "w", LONG_AGO), record("ACTIVE", "v")], "trial 1 is ACTIVE with v"),
        ([record("STOPPING", "v")], "trial 1 is STOPPING with v"),
        ([record("REQUESTED", None)], "trial 1 is REQUESTED with nobody"),
        ([record("SUCCEEDED", "me", JUST_NOW), record("ACTIVE", "me")], ""),
        ([record("SUCCEEDED", "me", JUST_NOW), record("ACTIVE", "v")], "trial 1 is ACTIVE"),
        ([record("SUCCEEDED", "me", JUST_NOW), record("REQUESTED", None, number=2)], ""),
        ([record("SUCCEEDED", "me", JUST_NOW), record("ACTIVE", "v", number=2)], "trial 2 is ACTIVE with v"),
    ],
)
def test_who_may_be_using_a_study(trials: list[TrialRecord], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_state, "workers", {"me"})
    monkeypatch.setattr(process_state, "released", {("s", 2), ("t", 1)})
    found = _in_use("s", trials, NOW)
    assert found.startswith(reason) if reason else not found


def test_overwriting_again_in_the_same_process(tune: Tune, study: Callable[[], Study], tmp_path: Path) -> None:
    arguments = {"tuner": BlackBox, "max_trials": 2, "overwrite": True}
    tune(**arguments).search(verbose=0)
    folder = tmp_path / "tuning" / "s"
    for name in ("trial_1", "trial_2", "trial_3", "mine"):
        (folder / name).mkdir(parents=True)
    again = tune(**arguments, objective="loss")
    assert study().trials() == []
    assert {path.name for path in folder.iterdir()} == {"trial_3", "mine"}, "only what belonged to the trials is gone"
    assert again.oracle.objective.name == "loss"


def test_overwriting_what_another_has_just_used(
    tune: Tune, study: Callable[[], Study], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"tuner": BlackBox, "max_trials": 2, "overwrite": True}
    tune(**arguments).search(verbose=0)
    created = study().create_time
    monkeypatch.setattr(process_state, "workers", set())
    with caplog.at_level(logging.WARNING, "dodona"):
        tune(**arguments)
    assert study().create_time == created
    assert "joining the study 's' instead of starting it over: its last trial ended" in caplog.text
    assert "delete_study('s')" in caplog.text
    monkeypatch.setattr(overwrite, "QUIET", timedelta(0))
    tune(**arguments)
    assert study().create_time != created


def test_another_list_of_objectives_is_another_study(tune: Tune) -> None:
    made = tune(build_fixed, objective=["val_loss", Objective("f1", "max")]).oracle.study
    assert tune(build_fixed, objective=[Objective("f1", "max"), "val_loss"]).oracle.study.name == made.name
    words = r"the sum of val_loss \(min\) and f1 \(max\), not of val_loss \(min\) and f2"
    with pytest.raises(ValueError, match=words):
        tune(build_fixed, objective=["val_loss", Objective("f2", "max")])
