"""Trials on a real server, from asking to the record, and over a network that drops, delays and duplicates."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import httpx
import pytest

from dodona import (
    Aborted,
    Client,
    FailedPrecondition,
    Float,
    Int,
    InvalidArgument,
    NotFound,
    Retry,
    ServerUnreachable,
    Study,
    StudyCompleted,
    Trial,
)
from tests.client.all_kinds import SPACE
from tests.client.network import Network
from tests.support.patience import patience
from tests.support.processes import ServerProcess


@pytest.fixture
def study(client: Client) -> Study:
    return client.create_study("f", SPACE, goal="minimize", max_trials=20, algorithm="random_search")


def test_values_come_in_the_types_that_were_declared(study: Study) -> None:
    for _ in range(20):
        with study.ask() as trial:
            values = trial.parameters
            assert values.keys() - {"momentum"} == SPACE.keys()
            assert ("momentum" in values) == (values["optimizer"] == "sgd")
            assert [type(values[name]) for name in SPACE] == [float, int, str, int, bool]
            trial.complete(1.0)
    with pytest.raises(StudyCompleted):
        study.ask()
    study.refresh()
    assert study.state == "COMPLETED"


def test_a_trial_from_ask_to_record(study: Study) -> None:
    with study.ask() as trial:
        for epoch in range(1, 4):
            trial.report({"objective": 1 / epoch, "seconds": 0.1}, step=epoch)
    record = study.trial(trial.number)
    assert (record.state, record.parameters, record.attempt) == ("SUCCEEDED", trial.parameters, 1)
    assert record.metrics == {"objective": 1 / 3, "seconds": 0.1}
    assert [measured.step for measured in record.measurements] == [1, 2, 3]
    assert record.worker is not None
    assert record.start is not None
    assert record.end is not None
    assert record.start <= record.end


def test_reports_without_steps_are_all_kept(study: Study) -> None:
    with study.ask() as trial:
        trial.report(2.0)
        trial.report(1.0)
    record = study.trial(trial.number)
    assert [measured.metrics["objective"] for measured in record.measurements] == [2.0, 1.0]
    assert record.metrics == {"objective": 1.0}


def test_how_trials_fail(study: Study) -> None:
    with study.ask() as nan:
        nan.report(math.nan, step=1)
        nan.complete(math.nan)
    with study.ask() as refused:
        refused.fail("out of memory")
    with pytest.raises(ZeroDivisionError), study.ask():
        _ = 1 / 0
    records = study.trials()
    assert [record.state for record in records] == ["INFEASIBLE"] * 3
    reasons = [record.infeasible_reason or "" for record in records]
    assert "nan" in reasons[0]
    assert reasons[1:] == ["out of memory", "ZeroDivisionError: division by zero"]
    with pytest.raises(Aborted, match="finished"):
        nan.complete(1.0)


def test_a_stopped_trial_learns_it_at_its_next_report(study: Study) -> None:
    with study.ask() as trial:
        trial.report(1.0, step=1)
        assert not trial.should_stop
        trial.stop()
        trial.report(0.5, step=2)
        assert trial.should_stop
        assert study.ask().number != trial.number
    assert study.trial(trial.number).state == "SUCCEEDED"


def test_a_restarted_worker_goes_on_with_its_trial(server_url: str, study: Study) -> None:
    first = Client(server_url, worker="gpu-3").get_study("f")
    lost, also_lost = first.ask(), first.ask()
    assert lost.number != also_lost.number
    restarted = Client(server_url, worker="gpu-3").get_study("f")
    back = [restarted.ask(), restarted.ask()]
    assert {trial.number for trial in back} == {lost.number, also_lost.number}
    assert {trial.attempt for trial in back} == {2}
    assert {trial.number: trial.parameters for trial in back}[lost.number] == lost.parameters


def test_threads_share_a_study(study: Study) -> None:
    seen: list[int] = []

    def objective(trial: Trial) -> float:
        seen.append(trial.number)
        trial.report(2.0, step=1)
        return float(trial.parameters["lr"])

    threads = [threading.Thread(target=study.optimize, args=(objective,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=patience(60))
    assert sorted(seen) == list(range(1, 21))
    assert {record.state for record in study.trials()} == {"SUCCEEDED"}


def test_trials_of_the_users_choice(study: Study) -> None:
    queued = study.add_trial({"lr": 1e-3, "optimizer": "sgd", "momentum": 0.9, "batch": 32, "augment": True})
    assert (queued.state, queued.parameters["layers"]) == ("REQUESTED", 2)
    assert study.ask().parameters == queued.parameters
    told = study.add_trial({"lr": 1e-2, "optimizer": "adam", "batch": 16, "augment": False}, 0.5)
    assert (told.state, told.metrics) == ("SUCCEEDED", {"objective": 0.5})
    part = {"optimizer": "adam", "batch": 16, "augment": False}
    with pytest.raises(InvalidArgument, match="lr"):
        study.add_trial(part, 0.5)
    assert "lr" not in study.add_trial(part).parameters
    asked = study.ask()
    assert {**asked.parameters, **part} == asked.parameters
    assert 1e-5 <= asked.parameters["lr"] <= 1e-1


def test_asking_again_while_the_last_trial_runs_ends_at_once(client: Client) -> None:
    study = client.create_study("short", {"x": Float(0, 1)}, goal="minimize", max_trials=1, algorithm="random_search")
    trial = study.ask()
    with pytest.raises(StudyCompleted):
        study.ask()
    trial.complete(0.5)
    study.refresh()
    assert study.state == "COMPLETED"


def test_a_batch_is_asked_for_in_one_call(server_url: str) -> None:
    network = Network(httpx.HTTPTransport().handle_request)
    with Client(server_url, transport=network) as client:
        study = client.create_study("batch", {"x": Float(0, 1)}, goal="minimize", max_trials=10, seed=1)
        trials = study.ask_batch(8)
        assert network.calls == ["POST studies", "POST studies/batch/trials:suggest"]
        assert [trial.number for trial in trials] == list(range(1, 9))
        assert len({round(float(trial.parameters["x"]), 2) for trial in trials}) == 8
        # The first eight are this worker's still, and the budget has two more.
        assert [trial.number for trial in study.ask_batch(8)] == [9, 10]
        for trial in trials:
            trial.complete(float(trial.parameters["x"]))
        assert sorted(one.state for one in study.trials()) == ["ACTIVE"] * 2 + ["SUCCEEDED"] * 8
        with pytest.raises(ValueError, match="count"):
            study.ask_batch(0)


def test_a_process_that_did_not_ask_reports_and_ends_a_trial(study: Study, server_url: str) -> None:
    asked = study.ask(worker="a")
    with Client(server_url, worker="b") as other:
        mine = other.get_study("f").attach(asked.number)
        assert (mine.parameters, mine.attempt) == (asked.parameters, 1)
        mine.report(0.5, 1)
        mine.report(0.4, 2)
        mine.complete()
        record = other.get_study("f").trial(asked.number)
        assert (record.state, record.metrics, record.worker) == ("SUCCEEDED", {"objective": 0.4}, "a")
        with pytest.raises(FailedPrecondition, match="trial 1 of 'f' is SUCCEEDED"):
            other.get_study("f").attach(asked.number)
        with pytest.raises(NotFound):
            other.get_study("f").attach(7)


# --- faults


def _life(study: Study) -> None:
    with study.ask() as trial:
        trial.report(0.5, step=1)
        trial.report(0.4, step=2)
        trial.complete(0.25)
    study.add_trial({"x": 0.5}, 0.125)
    study.add_parameters({"y": Int(0, 1)})


@pytest.mark.parametrize("fault", ["refuse", "drop", "duplicate", 503])
def test_each_call_may_fail_once(server_url: str, fault: str | int) -> None:
    for position in range(7):
        with httpx.HTTPTransport() as wire:
            network = Network(wire.handle_request, ["pass"] * position + [fault])
            client = Client(server_url, transport=network)
            study = client.create_study(f"f{position}", {"x": Float(0, 1)}, goal="minimize", algorithm="random_search")
            _life(study)
            assert network.faults == []
            asked, added = study.trials()
            assert (asked.number, added.number) == (1, 2)
            assert (asked.state, asked.metrics, asked.attempt) == ("SUCCEEDED", {"objective": 0.25}, 1)
            assert [one.metrics["objective"] for one in study.trial(1).measurements] == [0.5, 0.4]
            assert list(client.get_study(study.id).space) == ["x", "y"]
            assert len(list(client.studies())) == position + 1


def test_a_deletion_whose_answer_is_lost(server_url: str) -> None:
    with httpx.HTTPTransport() as wire:
        network = Network(wire.handle_request)
        client = Client(server_url, transport=network)
        study = client.create_study("f", {"x": Float(0, 1)}, goal="minimize")
        network.faults = ["drop"]
        study.delete()
        assert list(client.studies()) == []


def test_a_worker_waits_for_a_killed_server(
    server: ServerProcess, study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    trial = study.ask()
    trial.report(0.5, step=1)
    server.kill()
    restart = threading.Timer(1.0, server.start)
    restart.start()
    trial.report(0.4, step=2)
    trial.complete()
    restart.join()
    record = study.trial(trial.number)
    assert [measured.metrics["objective"] for measured in record.measurements] == [0.5, 0.4]
    assert record.metrics == {"objective": 0.4}
    assert "does not answer" in caplog.text
    assert "answers again" in caplog.text


@pytest.mark.parametrize("call", [lambda client: client.get_study("f"), lambda client: list(client.studies())])
def test_nobody_there(call: Callable[[Client], object]) -> None:
    client = Client("http://127.0.0.1:9", retry=Retry(first_patience_seconds=0.2))
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9"):
        call(client)
