"""Projects that KerasTuner itself has made, brought into studies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
from keras_tuner import HyperParameters
from typer.testing import CliRunner

import dodona
from dodona import Client, Study
from dodona.commands.importing import app
from dodona.keras import CloudTuner
from dodona.keras._importing import import_project
from dodona_schemas.vertex import CreateTrialRequest
from tests.keras.models import DATA, BlackBox, X, build_fixed


class Theirs(keras_tuner.RandomSearch):
    """Tunes a function with every kind of hyperparameter, over two steps; two trials fail."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        hp = trial.hyperparameters
        x = hp.Float("x", 0.0, 1.0, step=0.1)
        if trial.trial_id in ("3", "5"):
            raise keras_tuner.errors.FailedTrialError("x is too large")
        hp.Float("rate", 1e-4, 1e-1, sampling="log")
        hp.Int("units", 8, 64, step=8)
        hp.Int("deep", 2, 32, step=2, sampling="log")
        hp.Boolean("augment")
        hp.Fixed("seed", 7)
        if hp.Choice("kind", ["a", "b"]) == "a":
            with hp.conditional_scope("kind", ["a"]):
                hp.Choice("size", [1, 2, 4])
        self.oracle.update_trial(trial.trial_id, {"score": x + 1, "size_mb": 2.5}, step=0)
        self.oracle.update_trial(trial.trial_id, {"score": x, "size_mb": 2.0}, step=1)
        return x


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with completed trials, failed ones, and one whose worker never came back."""
    declared = HyperParameters()
    declared.Choice("kind", ["a", "b"])
    tuner = Theirs(
        objective=keras_tuner.Objective("score", "min"),
        hyperparameters=declared,
        max_trials=9,
        max_consecutive_failed_trials=9,
        directory=tmp_path_factory.mktemp("theirs"),
        project_name="old",
        seed=3,
        overwrite=True,
    )
    tuner.search(verbose=0)
    tuner.oracle.max_trials = 10
    tuner.oracle.create_trial("never seen again")
    tuner.oracle.save()
    return Path(tuner.project_dir)


@pytest.fixture
def imported(project: Path, client: Client, server_url: str) -> Study:
    done = import_project(project, client=Client(server_url))
    assert (done.study, done.added, done.existing, done.weights) == ("old", 10, 0, 0)
    return client.get_study("old")


def theirs(project: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in project.glob("trial_*/trial.json")]
    return sorted(found, key=lambda one: int(one["trial_id"]))


def test_trials_have_their_outcomes(project: Path, imported: Study) -> None:
    states = {"COMPLETED": "SUCCEEDED", "FAILED": "INFEASIBLE", "RUNNING": "REQUESTED"}
    written = theirs(project)
    assert {one["status"] for one in written} == set(states), "the project has some of each"
    for one, record in zip(written, imported.trials(), strict=True):
        assert record.state == states[one["status"]]
        if record.state == "SUCCEEDED":
            assert record.metrics == {"score": one["score"], "size_mb": 2.0}
            assert [measured.step for measured in record.measurements] == [1, 2]
            assert record.measurements[0].metrics == {"score": one["score"] + 1, "size_mb": 2.5}
            assert record.step == 2
        elif record.state == "INFEASIBLE":
            assert "x is too large" in str(record.infeasible_reason)
    assert imported.metrics == {"score": "minimize"}


def test_values_have_their_types(project: Path, imported: Study, server_url: str) -> None:
    tuner = CloudTuner(build_fixed, study_id="old", url=server_url, directory=project.parent / "ours")
    for one in theirs(project):
        expected = {name: value for name, value in one["hyperparameters"]["values"].items() if name != "seed"}
        found = tuner.oracle.get_trial(str(int(one["trial_id"]) + 1)).hyperparameters.values
        for name, value in expected.items():
            assert found[name] == (pytest.approx(value) if isinstance(value, float) else value)
            assert type(found[name]) is type(value)


def test_a_second_time_adds_nothing(project: Path, imported: Study, server_url: str) -> None:
    before = imported.trials()
    again = import_project(project, client=Client(server_url))
    assert (again.added, again.existing) == (0, 10)
    assert imported.trials() == before


def test_the_search_goes_on_from_there(imported: Study, server_url: str, tmp_path: Path) -> None:
    class Ours(BlackBox):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            return float(trial.hyperparameters.get("x"))

    (waiting,) = [record for record in imported.trials() if record.state == "REQUESTED"]
    tuner = Ours(study_id="old", url=server_url, directory=tmp_path)
    trial = tuner.oracle.create_trial(tuner.tuner_id)
    assert trial.trial_id == str(waiting.number), "what was running is run first"
    tuner._try_run_and_update_trial(trial)
    tuner.on_trial_end(trial)
    assert imported.trial(waiting.number).state == "SUCCEEDED"


def test_weights_come_along(client: Client, server_url: str, tmp_path: Path) -> None:
    old = keras_tuner.RandomSearch(
        build_fixed, objective="val_loss", max_trials=1, directory=tmp_path, project_name="p", overwrite=True
    )
    old.search(**DATA, epochs=1, verbose=0)
    for weights in (1, 1):
        assert import_project(tmp_path / "p", "weighed", client=Client(server_url)).weights == weights
    tuner = CloudTuner(build_fixed, study_id="weighed", url=server_url, directory=tmp_path / "ours")
    assert str(tuner.oracle.objective.name) == "val_loss"
    (ours,), (before,) = tuner.get_best_models(), old.get_best_models()
    assert np.asarray(ours(X)).tobytes() == np.asarray(before(X)).tobytes()


class TestErrors:
    def test_a_folder_that_is_no_project(self, project: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"is not a project of KerasTuner: it has no oracle\.json$"):
            import_project(tmp_path)
        with pytest.raises(ValueError, match=r"it has no oracle\.json; did you mean .*old\?"):
            import_project(project.parent)

    @pytest.mark.parametrize(
        ("path", "text", "message"),
        [
            ("oracle.json", "{", r"oracle\.json cannot be read"),
            ("oracle.json", "[]", "it has no JSON object"),
            ("oracle.json", "{}", "it has no 'hyperparameters'"),
            ("trial_1/trial.json", '{"trial_id": "1"}', r"trial\.json is not a trial of KerasTuner"),
        ],
    )
    def test_files_that_are_not_what_they_should_be(self, tmp_path: Path, path: str, text: str, message: str) -> None:
        (tmp_path / "trial_1").mkdir()
        (tmp_path / "oracle.json").write_text('{"seed": 1, "hyperparameters": {"space": [], "values": {}}}')
        (tmp_path / path).write_text(text)
        with pytest.raises(ValueError, match=message):
            import_project(tmp_path)

    def test_an_objective_that_cannot_be_told(
        self, project: Path, tmp_path: Path, client: Client, server_url: str
    ) -> None:
        (tmp_path / "oracle.json").write_text((project / "oracle.json").read_text())
        with pytest.raises(ValueError, match=r"is unclear.*pass it, as in val_loss:min"):
            import_project(tmp_path)
        with pytest.raises(ValueError, match=r"write mine:min or mine:max"):
            import_project(tmp_path, objective="mine")
        import_project(tmp_path, "empty", objective="mine:max", client=Client(server_url))
        with pytest.raises(ValueError, match=r"optimizes mine \(max\), not mine \(min\)"):
            import_project(tmp_path, "empty", objective="mine:min", client=Client(server_url))
        assert client.get_study("empty").metrics == {"mine": "maximize"}


def test_the_command(project: Path, client: Client, server_url: str, tmp_path: Path) -> None:
    run: Callable[..., Any] = CliRunner().invoke
    done = run(app, ["keras-tuner", str(project), "--study", "by command", "--url", server_url])
    assert done.exit_code == 0, done.output
    assert "by command: 10 trials added, 0 existed already; weights of 0 trials" in done.output
    assert len(client.get_study("by command").trials()) == 10
    refused = run(app, ["keras-tuner", str(tmp_path)])
    assert refused.exit_code == 2
    assert "is not a project of KerasTuner" in refused.output


def test_infeasible_trials_can_be_added(client: Client) -> None:
    study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", max_trials=2)
    body = {"parameters": [{"parameterId": "x", "value": 0.5}], "state": "INFEASIBLE", "requestId": "r"}
    bodies = [CreateTrialRequest.model_validate({**body, "infeasibleReason": "too large"}) for _ in range(2)]
    assert [study.create_trial(one).number for one in bodies] == [1, 1]
    record = study.trial(1)
    assert (record.state, record.infeasible_reason, record.attempt) == ("INFEASIBLE", "too large", 1)
