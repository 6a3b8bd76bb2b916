"""Algorithms whose trials continue others, with several workers over HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from dodona import Client, Float, Int, InvalidArgument, Study, StudyCompleted, Trial, TrialRecord
from tests.support.patience import patience

SPACE = {"x": Float(0.0, 1.0)}
WORKERS = 6


def train(trial: Trial) -> None:
    """Report each epoch; a curve that goes down to x."""
    values = trial.parameters
    for epoch in range(values["tuner/initial_epoch"] + 1, values["tuner/epochs"] + 1):
        trial.report(values["x"] + 1 / epoch, step=epoch)
    trial.complete(values["x"] + 1 / values["tuner/epochs"])


def work(url: str, name: str, worker: str, began: threading.Barrier) -> int:
    with Client(url, worker=worker) as client:
        study, count = client.get_study(name), 0
        began.wait(patience(30))
        while True:
            try:
                with study.ask() as trial:
                    train(trial)
            except StudyCompleted:
                return count
            count += 1


def search(url: str, study: Study, workers: int = WORKERS) -> list[TrialRecord]:
    began = threading.Barrier(workers)
    with ThreadPoolExecutor(workers) as threads:
        counts = list(threads.map(lambda index: work(url, study.display_name, f"w{index}", began), range(workers)))
    records = study.trials()
    assert sum(counts) == sum(record.state == "SUCCEEDED" for record in records)
    return records


def check_continued(records: list[TrialRecord]) -> None:
    """Each promoted trial continues the values and epochs of one other, which no other trial continues."""
    parents = [record.parameters["tuner/trial_id"] for record in records if "tuner/trial_id" in record.parameters]
    assert len(set(parents)) == len(parents)
    known = {str(record.number): record for record in records}
    for record in records:
        values: dict[str, Any] = dict(record.parameters)
        begin, end = values["tuner/initial_epoch"], values["tuner/epochs"]
        if record.state == "SUCCEEDED":
            assert [one.step for one in record.measurements] == list(range(begin + 1, end + 1))
        if (parent := values.get("tuner/trial_id")) is not None:
            assert values["x"] == known[parent].parameters["x"]
            assert begin == known[parent].parameters["tuner/epochs"]


def test_successive_halving(client: Client, server_url: str) -> None:
    options = {"max_resource": 9, "initial_trials": 20}
    study = client.create_study(
        "halving", SPACE, goal="minimize", algorithm="successive_halving", algorithm_options=options
    )
    records = search(server_url, study)
    check_continued(records)
    assert Counter(record.parameters["tuner/epochs"] for record in records) == {1: 20, 9: 4}
    # The best of all may have ended when workers that would have waited had taken all places.
    promoted = [record.parameters["x"] for record in records if record.parameters["tuner/epochs"] == 9]
    assert study.best_trial is not None
    assert study.best_trial.parameters["x"] == min(promoted)
    assert study.best_trial.parameters["tuner/epochs"] == 9


def test_asha(client: Client, server_url: str) -> None:
    options = {"max_resource": 9, "reduction_factor": 3}
    study = client.create_study(
        "asha", SPACE, goal="minimize", algorithm="asha", algorithm_options=options, max_trials=60
    )
    records = search(server_url, study)
    check_continued(records)
    counts = Counter(record.parameters["tuner/epochs"] for record in records)
    assert sum(counts.values()) == 60
    assert counts[1] > counts[3] > counts[9] > 0


def test_pbt(client: Client, server_url: str) -> None:
    options = {"population": 8, "interval": 2, "max_epochs": 6}
    study = client.create_study("pbt", SPACE, goal="minimize", algorithm="pbt", algorithm_options=options)
    records = search(server_url, study)
    study.refresh()
    assert study.state == "COMPLETED"
    members = Counter(record.parameters["tuner/bracket"] for record in records)
    assert members == dict.fromkeys(range(8), 3)
    known = {str(record.number): record for record in records}
    copies = 0
    for record in records:
        values = dict(record.parameters)
        if values["tuner/round"]:
            parent = known[str(values["tuner/trial_id"])].parameters
            assert parent["tuner/epochs"] == values["tuner/initial_epoch"]
            copies += parent["tuner/bracket"] != values["tuner/bracket"]
            assert (parent["tuner/bracket"] == values["tuner/bracket"]) == (parent["x"] == values["x"])
    assert copies > 0


def test_a_parameter_as_fidelity_and_a_model_as_sampler(client: Client, server_url: str) -> None:
    space = SPACE | {"trees": Int(5, 45)}
    options = {"fidelity": "trees", "sampler": "GP_BANDIT"}
    study = client.create_study(
        "trees", space, goal="minimize", algorithm="asha", algorithm_options=options, max_trials=24
    )

    def loss(trial: Trial) -> float:
        assert "tuner/epochs" not in trial.parameters
        return float(trial.parameters["x"] + 1 / trial.parameters["trees"])

    study.optimize(loss)
    counts = Counter(record.parameters["trees"] for record in study.trials())
    assert counts.keys() == {5, 15, 45}
    assert counts[5] > counts[15] > counts[45]
    listed = httpx.get(f"{server_url}/v1/{study.name}/trials").raise_for_status().json()["trials"]
    reasons = [trial["metadata"]["suggestion/reason"] for trial in listed]
    assert any(reason.startswith("a point of GP_BANDIT, by ") for reason in reasons)


@pytest.mark.parametrize("algorithm", ["asha", "successive_halving"])
def test_a_dead_worker_keeps_nobody_waiting(client: Client, server_url: str, algorithm: str) -> None:
    options = {"max_resource": 9, "reduction_factor": 3}
    study = client.create_study(
        "dead", SPACE, goal="minimize", algorithm=algorithm, algorithm_options=options, max_trials=24
    )
    dead = Client(server_url, worker="dead", lease_seconds=3600)
    lost = dead.get_study("dead").ask()
    dead.close()
    with Client(server_url, worker="alive") as alive:
        ours = alive.get_study("dead")
        for _ in range(23):
            train(ours.ask(wait_seconds=patience(20)))
    records = study.trials()
    check_continued(records)
    assert Counter(record.state for record in records) == {"SUCCEEDED": 23, "ACTIVE": 1}
    assert records[lost.number - 1].state == "ACTIVE"
    assert max(record.parameters["tuner/epochs"] for record in records) == 9


@pytest.mark.parametrize(
    ("algorithm", "options", "message"),
    [
        ("asha", {"min_resource": 20, "max_resource": 9}, "min_resource.*20 is not a whole number from 1 to 9"),
        ("successive_halving", {"reduction_factor": 1}, "reduction_factor.*1 is not a whole number from 2"),
        ("asha", {"rungs": 2}, "'rungs' is not an option of ASHA"),
    ],
)
def test_rungs_that_cannot_be_are_refused(
    client: Client, algorithm: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        client.create_study("bad", SPACE, goal="minimize", algorithm=algorithm, algorithm_options=options)


def test_options_belong_to_the_spec_if_there_is_one(client: Client) -> None:
    create: Callable[..., Any] = client.create_study
    with pytest.raises(ValueError, match="pass either spec or the other arguments"):
        create("spec", spec={"metrics": [{"metricId": "m"}]}, algorithm_options={"max_resource": 9})
