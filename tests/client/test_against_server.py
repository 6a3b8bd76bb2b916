"""The client and a real server, over a network that drops, delays and duplicates."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from dodona import (
    Aborted,
    AlreadyExists,
    Boolean,
    Categorical,
    Client,
    Discrete,
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
from dodona_schemas.vertex import Algorithm
from tests.client.network import Network
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "ask_tell.py"

SPACE = {
    "lr": Float(1e-5, 1e-1, scale="log"),
    "layers": Int(1, 4, default=2),
    "optimizer": Categorical(["adam", "sgd"], children={"sgd": {"momentum": Float(0, 0.99)}}),
    "batch": Discrete([16, 32, 64]),
    "augment": Boolean(),
}


@pytest.fixture
def client(server_url: str) -> Iterator[Client]:
    with Client(server_url) as client:
        yield client


@pytest.fixture
def study(client: Client) -> Study:
    return client.create_study("f", SPACE, goal="minimize", max_trials=20, algorithm="random_search")


def test_a_study_has_one_life_in_all_clients(client: Client, study: Study, server_url: str) -> None:
    assert (study.id, study.display_name, study.state, study.space) == ("f", "f", "ACTIVE", SPACE)
    other = Client(server_url, worker="other")
    same = other.create_study("f", SPACE, goal="minimize", max_trials=20, algorithm="random_search")
    assert same.name == study.name
    assert other.get_study("f").spec == study.spec
    assert [found.name for found in other.studies()] == [study.name]
    other.delete_study("f")
    with pytest.raises(NotFound):
        study.refresh()
    with pytest.raises(NotFound):
        client.delete_study("f")


def test_a_name_for_people(client: Client) -> None:
    study = client.create_study("my first study", SPACE, goal="minimize")
    assert client.create_study("my first study", SPACE, goal="minimize").name == study.name
    assert client.get_study("my first study").name == client.get_study(study.id).name == study.name


def test_a_different_spec_is_refused_with_the_difference(client: Client, study: Study) -> None:
    with pytest.raises(AlreadyExists, match=r"lr.*0\.1"):
        client.create_study("f", {**SPACE, "lr": Float(1e-5, 1.0, scale="log")}, goal="minimize", max_trials=20)


def test_the_server_names_what_it_refuses(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="maxNumTrials"):
        client.create_study("g", SPACE, goal="minimize", max_trials=-1)


def test_the_server_knows_which_algorithms_there_are(client: Client) -> None:
    with pytest.raises(InvalidArgument, match=r"algorithm: MAGIC is not available; available are .*RANDOM"):
        client.create_study("m", goal="minimize", algorithm="magic")


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


def test_best_and_optimal_trials(client: Client, study: Study) -> None:
    assert study.best_trial is None
    study.optimize(lambda trial: abs(trial.number - 5.2), n_trials=8)
    assert study.best_trial is not None
    assert study.best_trial.number == 5
    assert [record.number for record in study.best_trials(3)] == [5, 6, 4]
    assert [record.number for record in study.optimal_trials()] == [5]

    several = client.create_study(
        "g", {"x": Float(0, 1)}, metrics={"a": "minimize", "b": "minimize"}, algorithm="random_search"
    )
    for a, b in [(1, 3), (2, 2), (3, 3)]:
        with several.ask() as trial:
            trial.complete({"a": a, "b": b})
    assert [record.number for record in several.optimal_trials()] == [1, 2]


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


def test_a_space_grows(client: Client) -> None:
    study = client.create_study("grows", goal="maximize")
    seen_before = client.get_study("grows")
    study.add_parameters({"layers": Int(1, 4)})
    study.add_parameters({"layers": Int(1, 4), "augment": Boolean()})
    assert study.space == {"layers": Int(1, 4), "augment": Boolean()}
    assert type(seen_before.ask().parameters["augment"]) is bool
    with pytest.raises(InvalidArgument, match="layers"):
        study.add_parameters({"layers": Int(1, 5)})


def test_a_long_list_comes_whole(client: Client) -> None:
    study = client.create_study("long", {"x": Int(0, 5000)}, goal="minimize")
    for number in range(1, 1102):
        study.add_trial({"x": number}, number)
    assert [record.parameters["x"] for record in study.trials()] == list(range(1, 1102))
    assert len(study.to_dataframe()) == 1101


def test_the_dataframe(study: Study) -> None:
    study.optimize(lambda trial: float(trial.number), n_trials=3)
    frame = study.to_dataframe()
    assert list(frame["number"]) == [1, 2, 3]
    assert list(frame["metrics_objective"]) == [1.0, 2.0, 3.0]
    assert set(frame["params_augment"]) <= {True, False}
    assert (frame["duration"].dt.total_seconds() >= 0).all()


def test_the_example(client: Client, server_url: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        env=environment(DODONA_URL=server_url),
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    study = client.get_study("breast-cancer-svc")
    best = study.best_trial
    assert best is not None
    assert best.metrics["accuracy"] > 0.95
    assert f"best: trial {best.number} with accuracy {best.metrics['accuracy']:.4f}" in done.stdout
    assert (len(study.trials()), study.state) == (15, "COMPLETED")


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


def test_asking_again_while_the_last_trial_runs_ends_at_once(client: Client) -> None:
    study = client.create_study("short", {"x": Float(0, 1)}, goal="minimize", max_trials=1, algorithm="random_search")
    trial = study.ask()
    with pytest.raises(StudyCompleted):
        study.ask()
    trial.complete(0.5)
    study.refresh()
    assert study.state == "COMPLETED"


def test_a_finished_study_goes_on_with_a_larger_budget(client: Client) -> None:
    study = client.create_study("more", {"x": Float(0, 1)}, goal="minimize", max_trials=1, algorithm="random_search")
    with study.ask() as trial:
        trial.complete(1.0)
    with pytest.raises(StudyCompleted):
        study.ask()
    study.set_max_trials(2)
    assert (study.state, study.spec.study_stopping_config.max_num_trials) == ("ACTIVE", 2)
    with study.ask() as trial:
        assert trial.number == 2
        trial.complete(1.0)
    with pytest.raises(InvalidArgument, match="maxNumTrials"):
        study.set_max_trials(0)


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


def test_trials_come_page_by_page(study: Study) -> None:
    for _ in range(5):
        with study.ask() as trial:
            trial.report(float(trial.number), 1)
    page, more = study.trials_page(2, filter="objective > 1", order_by="objective desc")
    assert [one.metrics["objective"] for one in page] == [5.0, 4.0]
    assert page[0].measurements == ()
    page, more = study.trials_page(2, more, filter="objective > 1", order_by="objective desc", measured=True)
    assert ([one.metrics["objective"] for one in page], more) == ([3.0, 2.0], "")
    assert len(page[0].measurements) == 1


def test_a_spec_is_checked_by_the_server_and_nothing_created(client: Client) -> None:
    spec = {"metrics": [{"metricId": "loss", "goal": "MINIMIZE"}], "algorithm": "RANDOM_SEARCH"}
    checked = client.check_study("new", spec)
    assert checked.algorithm is Algorithm.RANDOM_SEARCH
    with pytest.raises(InvalidArgument, match="BEST_SEARCH"):
        client.check_study("new", {**spec, "algorithm": "BEST_SEARCH"})
    assert list(client.studies()) == []


def test_a_client_learns_what_it_may_do(client: Client) -> None:
    caller = client.caller()
    assert (caller.name, caller.roles) == ("anonymous", ["operator"])
    assert {"suggest_trials", "delete_study"} <= set(caller.calls)
