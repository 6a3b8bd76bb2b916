"""Reports while the server is away: held in their order, with a limit."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dodona import (
    Aborted,
    Client,
    FailedPrecondition,
    Float,
    Int,
    InvalidArgument,
    Retry,
    ServerUnreachable,
    Study,
    Trial,
)
from dodona._trials import outbox as _outbox
from tests.client.network import Clock, Network, canned, connected, study_json, suggestion, trial_json
from tests.client.waiting import wait_for
from tests.support.processes import ServerProcess

MEASURE = "POST studies/s/trials/1:addTrialMeasurement"
BATCH = "POST studies/s/trials:report"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Clock | None]:
    """The time of tests without a real server, whose heartbeat does not run by itself."""
    if {"server", "server_url"} & {*request.fixturenames}:
        yield None
        return
    clock = Clock()
    for module in ("_http.transport", "_http.outage", "_trials.outbox"):
        monkeypatch.setattr(f"dodona.{module}.time", clock)
    monkeypatch.setattr("dodona._trials.heartbeat.Heartbeat.start", lambda self: None)
    yield clock


def running(**answers: Any) -> tuple[Network, Study]:
    defaults = {
        "s": study_json(),
        "suggest": [suggestion(1), suggestion(2)],
        "addTrialMeasurement": trial_json(1),
        "report": {"trials": []},
        "complete": trial_json(1, "SUCCEEDED"),
    }
    network = Network(canned(**{**defaults, **answers}))
    return network, connected(network).get_study("s")


def steps(network: Network) -> list[tuple[str, int]]:
    """Trial and step of each report in the batches."""
    return [
        (report["trial"], int(report["measurement"]["stepCount"]))
        for body in network.bodies(BATCH)
        for report in body["reports"]
    ]


def test_training_goes_on_while_the_server_is_away(clock: Clock) -> None:
    network, study = running(report={"trials": [trial_json(1), trial_json(1, "STOPPING")]})
    trial = study.ask()
    network.always = "refuse"
    began = clock.now
    trial.report(0.5, step=1)
    assert clock.now - began == pytest.approx(_outbox.DIRECT_PATIENCE_SECONDS)
    tried = len(network.requests)
    trial.report(0.4, step=2, checkpoint="/data/2.keras")
    assert len(network.requests) == tried, "a server that is known to be away is left alone"
    assert not trial.should_stop
    network.always = "pass"
    trial.complete()
    assert network.calls[-2:] == [BATCH, "POST studies/s/trials/1:complete"]
    assert steps(network) == [("1", 1), ("1", 2)]
    first, second = network.bodies(BATCH)[0]["reports"]
    assert (first["attempt"], second["attempt"]) == (1, 1)
    assert ("checkpoint" in first, second["checkpoint"]) == (False, "/data/2.keras")


def test_the_answer_to_a_batch_says_stop() -> None:
    network, study = running(report={"trials": [trial_json(1), trial_json(2, "STOPPING")]})
    first, second = study.ask(), study.ask()
    network.always = "refuse"
    first.report(0.5, step=1)
    second.report(0.5, step=1)
    network.always = "pass"
    study._session.outbox.send()
    assert (first.should_stop, second.should_stop) == (False, True)
    first.report(0.4, step=2)
    assert network.calls[-1] == MEASURE


def test_a_report_waits_for_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    trial.report(0.5, step=1)
    network.always = "pass"
    # Somebody has just found the server back, and not sent anything yet.
    study._session.outbox._away_since = None
    trial.report(0.4, step=2)
    held, direct = network.bodies(MEASURE)[-2:]
    assert [body["measurement"]["stepCount"] for body in (held, direct)] == ["1", "2"]


def test_an_answer_of_a_proxy_counts_as_away() -> None:
    network, study = running()
    trial = study.ask()
    for status in (502, 503, 504):
        network.always = status
        trial.report(0.5, step=status)
    network.always = "pass"
    trial.complete()
    assert steps(network) == [("1", 502), ("1", 503), ("1", 504)]


def test_batches_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    for step in range(1, 2502):
        trial.report(0.5, step=step)
    network.always = "pass"
    trial.complete()
    assert [len(body["reports"]) for body in network.bodies(BATCH)] == [1000, 1000, 501]
    assert steps(network) == [("1", step) for step in range(1, 2502)]

    monkeypatch.setattr(_outbox, "MAX_BATCH_BYTES", 1000)
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    for step in range(1, 21):
        trial.report(0.5, step=step)
    network.always = "pass"
    trial.complete()
    assert len(network.bodies(BATCH)) > 1
    assert all(len(request.content) < 1100 for request in network.requests if request.url.path.endswith(":report"))
    assert [step for _, step in steps(network)] == list(range(1, 21))


def test_batches_of_many_metrics_are_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outbox, "MAX_BATCH_OBJECTS", 50)
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    for step in range(1, 9):
        # With the report and the measurement, 22 objects.
        trial.report({"score": 0.5} | {f"m{number}": 0.5 for number in range(19)}, step=step)
    network.always = "pass"
    trial.complete()
    assert [len(body["reports"]) for body in network.bodies(BATCH)] == [2, 2, 2, 2]
    assert [step for _, step in steps(network)] == list(range(1, 9))


def test_too_long_an_absence_is_an_error(clock: Clock) -> None:
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    for step in range(1, 60):
        trial.report(0.5, step=step)
        clock.now += 10
    clock.now += 10
    with pytest.raises(ServerUnreachable, match=r"no server answered at .* within 60\d s \(connection refused\)"):
        trial.report(0.5, step=60)
    with pytest.raises(ServerUnreachable):
        trial.complete(0.5)
    network.always = "pass"
    trial.complete()
    assert steps(network)[-59:] == [("1", step) for step in range(1, 60)], "what was held is not lost"


def test_too_many_reports_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outbox, "MAX_BUFFERED", 10)
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    for step in range(1, 11):
        trial.report(0.5, step=step)
    with pytest.raises(ServerUnreachable, match="connection refused; 10 reports are buffered in memory, which is"):
        trial.report(0.5, step=11)
    network.always = "pass"
    trial.complete()
    assert steps(network) == [("1", step) for step in range(1, 11)]


def test_without_patience_nothing_is_held() -> None:
    network, _ = running()
    study = connected(network, retry=Retry(patience_seconds=0)).get_study("s")
    trial = study.ask()
    network.always = "refuse"
    with pytest.raises(ServerUnreachable):
        trial.report(0.5)
    assert study._session.outbox.pending == 0


def test_a_report_that_is_refused_is_raised_at_once(caplog: pytest.LogCaptureFixture) -> None:
    _, study = running(addTrialMeasurement=[400, trial_json(1)])
    trial = study.ask()
    with pytest.raises(FailedPrecondition):
        trial.report(0.5)
    trial.report(0.5)
    assert caplog.text == ""


@pytest.mark.parametrize("how", ["report", "complete", "block"])
def test_a_report_that_was_held_and_is_refused_is_raised_at_the_next_call(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    network, study = running(addTrialMeasurement=[400, trial_json(1)], report=400)
    outcome: list[bool] = []

    def work(trial: Trial) -> None:
        network.always = "refuse"
        trial.report(0.5, step=1)
        trial.report(0.5, step=2)
        network.always = "pass"
        if how == "report":
            study._session.outbox.send()
            trial.report(0.5, step=3)
        if how == "complete":
            trial.complete(0.5)
        outcome.append(True)

    with pytest.raises(FailedPrecondition):
        study.optimize(work)
    assert outcome == ([True] if how == "block" else [])
    assert "a report of trial 1 was refused: refused with 400" in caplog.text
    assert network.bodies("POST studies/s/trials/1:complete")[-1]["trialInfeasible"] is True


def test_a_token_that_is_refused_for_a_while_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = httpx.Response(401, json={"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}})
    network, study = running()
    trial = study.ask()
    network.always = "refuse"
    trial.report(0.5, step=1)
    trial.report(0.5, step=2)
    network.always = "pass"
    answer, network._answer = network._answer, lambda _: refused
    with pytest.raises(ServerUnreachable, match="no"):
        study._session.outbox.send()
    network._answer = answer
    trial.complete()
    assert steps(network)[-2:] == [("1", 1), ("1", 2)]


def test_a_client_that_is_closed_sends_what_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    for fault, pending in [("pass", 0), ("refuse", 2)]:
        network, study = running()
        trial = study.ask()
        network.always = "refuse"
        trial.report(0.5, step=1)
        trial.report(0.5, step=2)
        network.always = fault
        study._session.close()
        assert study._session.outbox.pending == pending
    assert "2 reports were never sent" in caplog.text


# --- a real server


def test_held_reports_outlive_the_server(server: ServerProcess, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with Client(server.url, lease_seconds=0.6) as client:
        study = client.create_study("s", {"x": Float(0, 1)}, goal="minimize", metric="loss")
        one, two = study.ask(), study.ask()
        one.report(1, step=1)
        server.kill()
        for step in range(2, 30):
            one.report(step, step=step)
            two.report(-step)
        assert study._session.outbox.pending == 56
        server.start()
        # The heartbeat sends them without anybody asking for it.
        wait_for(lambda: study._session.outbox.pending == 0)
        one.complete()
        two.complete()
        first, second = study.trials()
    assert [(one.step, one.metrics["loss"]) for one in first.measurements] == [(step, step) for step in range(1, 30)]
    assert [one.metrics["loss"] for one in second.measurements] == [-step for step in range(2, 30)]
    assert (first.attempt, second.attempt, first.state, second.state) == (1, 1, "SUCCEEDED", "SUCCEEDED")
    assert caplog.text.count("does not answer") == caplog.text.count("answers again") == 1


def test_one_lost_trial_does_not_take_the_others_reports_with_it(server_url: str) -> None:
    with httpx.HTTPTransport() as wire, Client(server_url, worker="thief") as thief:
        network = Network(wire.handle_request)
        with Client(server_url, transport=network, worker="w") as client:
            study = client.create_study("s", {"x": Int(1, 9)}, goal="minimize", max_trials=2)
            lost, kept = study.ask(), study.ask()
            network.always = "refuse"
            for step in range(1, 4):
                lost.report(1.0, step=step)
                kept.report(2.0, step=step)
            response = httpx.post(
                f"{server_url}/v1/{study.name}/trials/{lost.number}:release", json={"attempt": 1, "requestId": "r"}
            )
            response.raise_for_status()
            theirs = thief.get_study("s").ask()
            assert (theirs.number, theirs.attempt) == (lost.number, 2)
            network.always = "pass"
            with pytest.raises(Aborted):
                lost.complete(1.0)
            kept.complete()
            theirs.complete(3.0)
            first, second = study.trials()
    assert first.measurements == ()
    assert [one.step for one in second.measurements] == [1, 2, 3]
    assert (first.metrics, second.metrics) == ({"objective": 3.0}, {"objective": 2.0})


def test_a_held_report_of_bad_content_is_told_later(server_url: str) -> None:
    with httpx.HTTPTransport() as wire:
        network = Network(wire.handle_request)
        with Client(server_url, transport=network) as client:
            study = client.create_study("s", {"x": Int(1, 9)}, goal="minimize")
            trial = study.ask()
            with pytest.raises(InvalidArgument, match="metricId"):
                trial.report({"": 1.0}, step=1)
            network.always = "refuse"
            trial.report(1.0, step=1)
            trial.report({"": 1.0}, step=2)
            trial.report(3.0, step=3)
            network.always = "pass"
            with pytest.raises(InvalidArgument, match="metricId"):
                trial.complete()
            trial.complete()
            assert [one.step for one in study.trial(1).measurements] == [1, 3]


def test_patience_with_a_server_that_stays_away(server: ServerProcess) -> None:
    with Client(server.url, retry=Retry(patience_seconds=0.5)) as client:
        study = client.create_study("s", {"x": Int(1, 9)}, goal="minimize")

        def work(trial: Trial) -> None:
            server.kill()
            while True:
                trial.report(1.0, step=1)
                time.sleep(0.05)

        with pytest.raises(ServerUnreachable):
            study.optimize(work)
        server.start()
        wait_for(lambda: study._session.outbox.pending == 0)
        assert study.trial(1).state == "ACTIVE"


def test_a_worker_leaves_soon_though_the_server_hangs(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outbox, "DIRECT_TIMEOUT_SECONDS", 0.5)
    timeout = 20.0
    with Client(server.url, timeout=timeout, lease_seconds=1.0) as client:
        study = client.create_study("s", {"x": Float(0, 1)}, goal="minimize", algorithm="random_search")
        trial = study.ask()
        server.process.send_signal(signal.SIGSTOP)
        try:
            trial.report(0.5, 1)
            # The heartbeat is in a call by now that waits for its answer.
            time.sleep(1.0)
            began = time.monotonic()
            with pytest.raises(ServerUnreachable):
                trial.release(1.0)
            assert time.monotonic() - began < timeout
        finally:
            server.process.send_signal(signal.SIGCONT)
