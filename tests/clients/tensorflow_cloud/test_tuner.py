"""tensorflow-cloud's tuner, unmodified, through our discovery document."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import keras_tuner
import pytest
import requests
from googleapiclient import errors
from tensorflow_cloud import CloudOracle
from tensorflow_cloud.tuner import constants, utils, vizier_client

import dodona
from tests.clients.tensorflow_cloud.configuration import HERE, PROJECT, REGION, configuration, space
from tests.support.patience import patience
from tests.support.processes import ServerProcess

DOCS = Path(__file__).parents[3] / "docs"
HEADING = "## tensorflow-cloud\n"


def point_at(url, folder):
    """The one attribute that is swapped."""
    file = folder / "discovery.json"
    file.write_text(requests.get(f"{url}/ml/discovery.json", timeout=patience(10)).text)
    constants.OPTIMIZER_API_DOCUMENT_FILE = str(file)


@pytest.fixture
def url(caller, tmp_path, monkeypatch):
    """A server that the client is pointed at, with the token of the caller."""
    if not caller.token:
        point_at(caller.url, tmp_path)
        return caller.url
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DODONA_URL", caller.url)
    monkeypatch.setenv("DODONA_TOKEN", caller.token)
    exec(compile(snippets()[2], "docs", "exec"), {"__name__": "__main__"})
    return caller.url


def study(study_id="s", **more):
    return vizier_client.create_or_load_study(PROJECT, REGION, study_id, configuration(**more))


@pytest.fixture
def oracle(url, tmp_path):
    """Makes oracles, each as in a worker of its own."""

    def make(study_id="s", **arguments):
        if "study_config" not in arguments:
            arguments |= {"objective": keras_tuner.Objective("val_loss", "min"), "hyperparameters": space()}
        made = CloudOracle(PROJECT, REGION, study_id=study_id, **arguments)
        made._set_project_dir(str(tmp_path), "tuning")  # as its tuner does
        return made

    return make


def measure(client, number, value, step=1):
    client.report_intermediate_objective_value(step, 2.5, [{"metric": "val_loss", "value": value}], number)


def stop(caller, number):
    """Somebody else, who speaks the other dialect, ends a trial early."""
    address = f"{caller.url}/v1/{HERE}/studies/s/trials/{number}:stop"
    assert requests.post(address, headers=caller.operating, timeout=patience(10)).json()["state"] == "STOPPING"


def run(worker, tuner_id, value):
    """A trial from its beginning to its end."""
    trial = worker.create_trial(tuner_id)
    worker.update_trial(trial.trial_id, {"val_loss": value}, step=1)
    worker.end_trial(trial.trial_id, "COMPLETED")
    return trial


class TestVizierClient:
    @pytest.mark.needs("admin")
    def test_studies_are_created_loaded_listed_and_deleted(self, url, monkeypatch):
        monkeypatch.setattr(constants, "MAX_NUM_TRIES_FOR_STUDIES", 1)
        with pytest.raises(ValueError, match="Study not found: s"):
            vizier_client.create_or_load_study(PROJECT, REGION, "s")
        for client in (study(), study(), study(metrics=[{"metric": "other", "goal": "MAXIMIZE"}])):
            (there,) = client.list_studies()
            assert there["name"] == f"{HERE}/studies/s"
            assert there["studyConfig"]["metrics"] == [{"metric": "val_loss", "goal": "MINIMIZE"}]
        vizier_client.create_or_load_study(PROJECT, REGION, "s").delete_study()
        assert client.list_studies() == []
        with pytest.raises(ValueError, match="Study not found"):
            client.delete_study()

    def test_a_trial_from_its_beginning_to_its_end(self, url):
        client = study()
        (handed,) = client.get_suggestions("w")
        assert client.get_suggestions("w") == [handed]
        values = utils.convert_vizier_trial_to_dict(handed)
        assert {name: type(value) for name, value in values.items()} == {
            "lr": float,
            "dropout": float,
            "layers": int,
            "units": int,
            "batch": int,
            "optimizer": str,
            "bias": str,
            "kernel": float,  # which the client itself sends as 3.0
        }
        client.report_intermediate_objective_value(0, 0.0, [{"metric": "val_loss", "value": 0.5}], "1")
        measure(client, "1", 0.25)
        assert client.should_trial_stop("1") is False
        ended = client.complete_trial("1", False)
        assert (ended["state"], ended["finalMeasurement"]["stepCount"]) == ("COMPLETED", "1")
        assert client.get_trial("1")["finalMeasurement"] == ended["finalMeasurement"]
        assert client.list_trials() == [client.get_trial("1")]

    @pytest.mark.parametrize("caller", ["worker"], indirect=True)
    def test_a_list_is_whole_however_long_it_is(self, url):
        client = study()
        client.get_suggestions("a", 1000)
        client.get_suggestions("b", 5)
        assert [trial["id"] for trial in client.list_trials()] == [str(number + 1) for number in range(1005)]

    @pytest.mark.needs("admin")
    def test_a_failed_suggestion_is_an_error_of_http(self, url):
        client = study()
        client.delete_study()
        with pytest.raises(errors.HttpError, match="does not exist") as raised:
            client.get_suggestions("w")
        assert raised.value.resp.status == 404

    def test_whoever_is_told_to_stop_stops_and_may_go_on_reporting(self, caller, url):
        client = study()
        client.get_suggestions("w")
        stop(caller, 1)
        assert client.should_trial_stop("1") is True
        measure(client, "1", 0.5, 7)
        assert client.complete_trial("1", False)["state"] == "COMPLETED"

    def test_a_rule_stops_a_bad_trial(self, caller, url):
        client = study(automatedStoppingConfig={"medianAutomatedStoppingConfig": {"useElapsedTime": False}})
        for value in (0.3, 0.4, 0.4, 0.4, 0.5):
            number = client.get_suggestions("w")[0]["name"].rpartition("/")[2]
            for step in range(1, 7):
                measure(client, number, value, step)
                assert client.should_trial_stop(number) is False
            client.complete_trial(number, False)
        bad = client.get_suggestions("w")[0]["name"].rpartition("/")[2]
        asked = []
        for step in range(1, 5):
            measure(client, bad, 0.9, step)
            asked.append(client.should_trial_stop(bad))
        assert asked == [False, False, False, True]
        assert client.complete_trial(bad, False)["state"] == "COMPLETED"
        address = f"{url}/v1/{HERE}/studies/s/trials:listOptimalTrials"
        best = requests.post(address, headers=caller.headers, timeout=patience(10)).json()
        assert [trial["id"] for trial in best["optimalTrials"]] == ["1"]


class TestOracle:
    def test_the_best_trials_are_ranked_with_zero_among_them(self, oracle):
        worker = oracle()
        for value in (0.5, 0.0, -0.5):
            run(worker, "w", value)
        best = worker.get_best_trials(3)
        assert [(trial.trial_id, trial.score, trial.best_step) for trial in best] == [
            ("3", -0.5, 1),
            ("2", 0.0, 1),
            ("1", 0.5, 1),
        ]

    def test_trials_without_a_result_are_not_ranked(self, oracle):
        worker = oracle()
        failed = worker.create_trial("w")
        worker.end_trial(failed.trial_id, "INVALID")
        for value in (float("nan"), float("inf"), 0.5):
            run(worker, "w", value)
        assert [trial.trial_id for trial in worker.get_best_trials(9)] == ["4"]
        states = [trial["state"] for trial in worker.service.list_trials()]
        assert states == ["INFEASIBLE", "INFEASIBLE", "INFEASIBLE", "COMPLETED"]

    def test_the_objective_ranks_whatever_else_was_measured(self, oracle):
        worker = oracle()
        for value in (0.5, 0.25):
            trial = worker.create_trial("w")
            metrics = [{"metric": "accuracy", "value": value}, {"metric": "val_loss", "value": -value}]
            worker.service.report_intermediate_objective_value(1, 1.0, metrics, trial.trial_id)
            worker.end_trial(trial.trial_id, "COMPLETED")
        assert [trial.score for trial in worker.get_best_trials(2)] == [-0.5, -0.25]

    def test_one_trial_that_is_to_stop_ends_no_other_workers_search(self, caller, oracle):
        one, other = oracle(), oracle()
        stopped = one.create_trial("a")
        stop(caller, stopped.trial_id)
        assert other.create_trial("b").status == "RUNNING"
        assert one.update_trial(stopped.trial_id, {"val_loss": 0.5}, step=1) == "STOPPED"
        one.end_trial(stopped.trial_id, "COMPLETED")
        assert one.create_trial("a").status == "RUNNING"

    def test_a_search_ends_with_the_budget_of_the_client_or_of_the_server(self, oracle):
        worker = oracle(max_trials=1)
        run(worker, "w", 0.5)
        assert worker.create_trial("w").status == "STOPPED"
        config = {
            "metrics": [{"metric": "val_loss", "goal": "MINIMIZE"}],
            "parameters": [
                {"parameter": "n", "type": "INTEGER", "integer_value_spec": {"min_value": 1, "max_value": 9}}
            ],
            "studyStoppingConfig": {"maxNumTrials": 2},
        }
        workers = [oracle("budget", study_config=config) for _ in range(3)]
        assert [one.create_trial(f"w{index}").status for index, one in enumerate(workers)] == [
            "RUNNING",
            "RUNNING",
            "STOPPED",
        ]

    def test_integers_stay_integers_and_truth_is_a_text(self, oracle):
        hps = oracle().create_trial("w").hyperparameters
        assert type(hps.get("units")) is type(hps.get("batch")) is int
        assert hps.get("bias") in ("True", "False")


class TestIdlePauses:
    """httplib2 fails on a connection that the server has closed; so this dialect leaves none open."""

    @pytest.fixture
    def impatient(self, tmp_path):
        command = "from dodona_server import commands; commands.KEEP_ALIVE_SECONDS = 1; commands.app(['serve'])"
        folder = tmp_path / "impatient"
        folder.mkdir()
        process = ServerProcess(folder, command=(sys.executable, "-c", command)).start()
        yield process.url
        process.stop()

    def test_pauses_longer_than_the_servers_patience_break_nothing(self, impatient, tmp_path):
        with requests.Session() as session:  # the other dialect keeps connections, and this server closes them
            kept = session.get(f"{impatient}/v1/{HERE}/studies", timeout=patience(10))
            assert "close" not in kept.headers.get("connection", "")
        point_at(impatient, tmp_path)
        client = study()
        client.get_suggestions("w")
        for step in range(2):
            time.sleep(1.6)
            measure(client, "1", 0.5, step)
            assert client.should_trial_stop("1") is False
        time.sleep(1.6)
        assert client.complete_trial("1", False)["state"] == "COMPLETED"

    @pytest.mark.parametrize("caller", ["worker"], indirect=True)
    def test_no_connection_stays_open(self, url):
        client = study()
        (handed,) = client.get_suggestions("w")
        measure(client, handed["id"], 0.5)
        http = client.service_client._http
        assert http.connections
        assert all(connection.sock is None for connection in http.connections.values())


def snippets():
    """The program texts of the section about tensorflow-cloud."""
    (page,) = [text for file in sorted(DOCS.glob("*.md")) if HEADING in (text := file.read_text(encoding="utf-8"))]
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("caller", ["without a token", "worker"], indirect=True)
def test_the_documented_search(caller, url, tmp_path, monkeypatch, capsys):
    swap, search, _ = snippets()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DODONA_URL", url)
    # With a token, the fixture has run the snippet for it instead of the first one.
    exec(compile(search if caller.token else swap + search, "docs", "exec"), {"__name__": "__main__"})
    assert json.loads(Path(constants.OPTIMIZER_API_DOCUMENT_FILE).read_text())["rootUrl"] == f"{url}/ml/"
    with dodona.Client(url, caller.token or None) as client:
        trials = client.get_study("from-tensorflow-cloud").trials()
        assert [trial.state for trial in trials] == ["SUCCEEDED"] * 3
        best = min(trials, key=lambda trial: trial.metrics["val_loss"])
        printed = capsys.readouterr().out.splitlines()[-1]
        assert printed == f"{best.parameters['units']} {best.parameters['learning_rate']}"
