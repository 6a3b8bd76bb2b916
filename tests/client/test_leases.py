"""Leases on a real server: kept by the heartbeat, lost, and taken up again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dodona import Aborted, Client, Float, Study, StudyCompleted, Trial
from tests.client.network import Network
from tests.client.waiting import wait_for
from tests.support.patience import patience

SHORT = 0.6


class Cut(Network):
    """A network that can be cut and joined again."""

    cut = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectError("cut", request=request)
        return super().handle_request(request)


@pytest.fixture
def network() -> Iterator[Cut]:
    with httpx.HTTPTransport() as wire:
        yield Cut(wire.handle_request)


@pytest.fixture
def study(server_url: str, network: Cut) -> Iterator[Study]:
    """As a worker with a short lease sees it, whose network the test can cut."""
    with Client(server_url, transport=network, worker="cut", lease_seconds=SHORT) as client:
        yield client.create_study("s", {"x": Float(0, 1)}, goal="minimize", max_trials=1)


@pytest.fixture
def other(server_url: str, study: Study) -> Iterator[Study]:
    """The same study, as another worker sees it."""
    with Client(server_url, worker="other") as client:
        yield client.get_study(study.id)


def state(study: Study, number: int = 1) -> str:
    return study.trial(number).state


def test_the_heartbeat_keeps_a_trial_through_long_steps(study: Study, other: Study, network: Cut) -> None:
    with study.ask() as trial:
        beats = "POST studies/s/trials/1:heartbeat"
        wait_for(lambda: network.calls.count(beats) >= 8)
        assert (state(other), other.trial(1).attempt) == ("ACTIVE", 1)
        trial.complete(1.0)
    assert state(other) == "SUCCEEDED"


def test_the_heartbeat_learns_that_the_trial_is_to_stop(study: Study, other: Study, server_url: str) -> None:
    trial = study.ask()
    httpx.post(f"{server_url}/v1/{study.name}/trials/1:stop", json={}).raise_for_status()
    wait_for(lambda: trial.should_stop)
    assert (trial.state, trial.lost) == ("STOPPING", False)
    trial.complete(1.0)


def test_a_late_report_is_taken_if_nobody_else_has_the_trial(study: Study, other: Study, network: Cut) -> None:
    trial = study.ask()
    trial.report(0.5, step=1)
    network.cut = True
    wait_for(lambda: state(other) == "REQUESTED")
    trial.report(0.4, step=2)
    network.cut = False
    trial.complete()
    record = other.trial(1)
    assert (record.state, record.attempt, record.worker) == ("SUCCEEDED", 1, "cut")
    assert [one.step for one in record.measurements] == [1, 2]


def test_the_heartbeat_has_a_late_trial_back(study: Study, other: Study, network: Cut) -> None:
    trial = study.ask()
    network.cut = True
    wait_for(lambda: state(other) == "REQUESTED")
    network.cut = False
    wait_for(lambda: state(other) == "ACTIVE")
    assert (other.trial(1).attempt, other.trial(1).worker, trial.lost) == (1, "cut", False)
    trial.complete(1.0)


def handed_on(study: Study, other: Study, network: Cut) -> tuple[Trial, Trial]:
    """A trial that a worker lost to another one while its network was cut, on both sides."""
    trial = study.ask()
    trial.report(0.5, step=1, checkpoint="/data/1.keras")
    network.cut = True
    theirs = other.ask()
    assert (theirs.number, theirs.attempt, theirs.last_step) == (1, 2, 1)
    assert (theirs.checkpoint, theirs.parameters) == ("/data/1.keras", trial.parameters)
    return trial, theirs


def test_a_late_report_is_refused_once_another_worker_has_the_trial(study: Study, other: Study, network: Cut) -> None:
    trial, theirs = handed_on(study, other, network)
    trial.report(0.4, step=2)
    network.cut = False
    with pytest.raises(Aborted):
        trial.complete(0.1)
    assert (trial.lost, trial.should_stop) == (True, True)
    for late in (lambda: trial.report(0.3, step=3), lambda: trial.fail("late"), trial.release, trial.stop):
        with pytest.raises(Aborted, match="attempt 1"):
            late()
    theirs.report(0.2, step=2)
    theirs.complete()
    record = other.trial(1)
    assert (record.state, record.metrics, record.worker) == ("SUCCEEDED", {"objective": 0.2}, "other")
    assert [one.metrics["objective"] for one in record.measurements] == [0.5, 0.2]


def test_the_heartbeat_learns_that_the_trial_was_handed_on(
    study: Study, other: Study, network: Cut, caplog: pytest.LogCaptureFixture
) -> None:
    trial, theirs = handed_on(study, other, network)
    network.cut = False
    wait_for(lambda: trial.should_stop)
    assert trial.lost
    with pytest.raises(Aborted, match="attempt 1"):
        trial.report(0.4, step=2)
    assert caplog.text.count("trial 1 is no longer this worker's") == 1
    theirs.complete(0.2)


def test_optimize_goes_on_after_a_trial_was_lost(study: Study, other: Study, network: Cut) -> None:
    ran: list[Trial] = []

    def objective(trial: Trial) -> float:
        ran.append(trial)
        network.cut = True
        other.ask().complete(0.5)
        network.cut = False
        return 1.0

    study.optimize(objective)
    assert len(ran) == 1
    assert (other.trial(1).metrics, other.trial(1).worker) == ({"objective": 0.5}, "other")


def test_a_worker_that_is_killed_loses_its_trial_to_whoever_waits(study: Study, other: Study, network: Cut) -> None:
    study.ask()
    waited: list[Trial] = []
    waiting = threading.Thread(target=lambda: waited.append(other.ask()))
    waiting.start()
    # The budget is used up, but the trial may come again: the other worker does not leave.
    wait_for(lambda: len(waited) == 0 and waiting.is_alive())
    network.cut = True
    waiting.join(timeout=patience(60))
    assert (waited[0].number, waited[0].attempt) == (1, 2)
    waited[0].complete(0.5)


def test_a_restarted_worker_has_its_trial_back_at_once(server_url: str, study: Study, network: Cut) -> None:
    with Client(server_url, worker="gpu-3") as client:
        before = client.create_study("t", {"x": Float(0, 1)}, goal="minimize").ask()
        before.report(0.5, step=4, checkpoint="/data/4.keras")
        with Client(server_url, worker="gpu-3") as restarted:
            after = restarted.get_study("t").ask()
            assert (after.number, after.attempt, after.last_step, after.checkpoint) == (1, 2, 4, "/data/4.keras")
            assert after.parameters == before.parameters
            after.complete(0.4)
    assert restarted.worker == "gpu-3"


def test_the_processes_of_one_worker_run_the_same_trials(server_url: str) -> None:
    with Client(server_url, worker="w") as one, Client(server_url, worker="w") as other:
        first = one.create_study("p", {"x": Float(0, 1)}, goal="minimize", max_trials=2)
        second = other.get_study("p")
        for number in (1, 2):
            kept = first.ask()
            followed = second.ask(shared=True)
            assert kept.number == followed.number == number
            assert kept.parameters == followed.parameters
            kept.complete(1.0)
        for study in (first, second):
            with pytest.raises(StudyCompleted):
                study.ask(shared=study is second)
        assert [record.attempt for record in first.trials()] == [1, 1]
        assert other._session.trials() == []


def test_another_process_of_a_worker_waits_for_the_first_one(server_url: str) -> None:
    with Client(server_url, worker="w") as one, Client(server_url, worker="w") as other:
        first = one.create_study("p", {"x": Float(0, 1)}, goal="minimize", max_trials=2)
        second = other.get_study("p")
        with ThreadPoolExecutor() as threads:
            asked = threads.submit(second.ask, shared=True)
            # A trial of its own would be one that the first process never runs: each would wait for the other.
            time.sleep(0.5)
            assert first.trials() == []
            kept = first.ask()
            assert asked.result().number == kept.number == 1
        # A new attempt is another run for all processes.
        kept.release()
        again, followed = first.ask(), second.ask(shared=True)
        assert (again.number, again.attempt) == (followed.number, followed.attempt) == (1, 2)


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_a_process_that_leaves_does_not_let_others_wait(
    study: Study, other: Study, leaving: type[BaseException]
) -> None:
    def work(trial: Trial) -> None:
        trial.report(0.5, step=1, checkpoint="/data/1.keras")
        raise leaving

    with pytest.raises(leaving):
        study.optimize(work)
    assert state(other) == "REQUESTED"
    again = other.ask()
    assert (again.number, again.attempt, again.last_step, again.checkpoint) == (1, 2, 1, "/data/1.keras")
    again.complete(0.5)


def test_a_reply_lost_after_the_commit_changes_nothing(server_url: str, network: Cut) -> None:
    def lose_the_next_reply() -> None:
        network.faults = ["drop"]

    with Client(server_url, transport=network, worker="w") as client:
        lose_the_next_reply()
        study = client.create_study("r", {"x": Float(0, 1)}, goal="minimize")
        assert len(list(client.studies())) == 1
        lose_the_next_reply()
        first = study.ask()
        lose_the_next_reply()
        second = study.ask()
        assert [(trial.number, trial.attempt) for trial in (first, second)] == [(1, 1), (2, 1)]
        lose_the_next_reply()
        first.report(0.5, step=1)
        lose_the_next_reply()
        first.report(0.4)
        assert len(study.trial(1).measurements) == 2
        lose_the_next_reply()
        first.stop()
        lose_the_next_reply()
        first.complete(0.3)
        lose_the_next_reply()
        second.release()
        assert state(study, 2) == "REQUESTED"
        lose_the_next_reply()
        third = study.ask()
        assert (third.number, third.attempt) == (2, 2)
        lose_the_next_reply()
        third.fail("no luck")
        lose_the_next_reply()
        study.add_trial({"x": 0.5}, 0.25)
        lose_the_next_reply()
        study.add_parameters({"y": Float(0, 1)})
        assert [record.state for record in study.trials()] == ["SUCCEEDED", "INFEASIBLE", "SUCCEEDED"]
        assert list(study.space) == ["x", "y"]
        lose_the_next_reply()
        study.delete()
        assert list(client.studies()) == []
        assert network.faults == []
