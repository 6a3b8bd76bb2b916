"""What a worker says of its trial, and how its block ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dodona import Aborted, FailedPrecondition, NothingReported, Retry, ServerUnreachable, Study, Trial
from dodona._trials.trial import LEAVING_SECONDS
from tests.client.network import Clock, Network, canned, connected, study_json, suggestion, trial_json

MEASURE = "POST studies/s/trials/1:addTrialMeasurement"
COMPLETE = "POST studies/s/trials/1:complete"
RELEASE = "POST studies/s/trials/1:release"

# How a worker says which attempt it speaks of.
MINE = {"attempt": 1, "clientId": "w"}


def running(**answers: Any) -> tuple[Network, Study]:
    defaults = {
        "s": study_json(),
        "suggest": suggestion(1),
        "addTrialMeasurement": trial_json(1),
        "complete": trial_json(1, "SUCCEEDED"),
    }
    network = Network(canned(**{**defaults, **answers}))
    return network, connected(network).get_study("s")


def test_a_report_tells_metrics_step_and_time() -> None:
    network, study = running()
    study.ask().report({"objective": 0.5, "other": 2}, step=3)
    (body,) = network.bodies(MEASURE)
    measurement = body["measurement"]
    assert measurement["metrics"] == [{"metricId": "objective", "value": 0.5}, {"metricId": "other", "value": 2.0}]
    assert measurement["stepCount"] == "3"
    assert 0 <= float(measurement["elapsedDuration"].removesuffix("s")) < 60


@pytest.mark.parametrize(("value", "sent"), [(1, 1.0), (math.nan, "NaN"), (-math.inf, "-Infinity"), (0, 0.0)])
def test_a_number_is_the_single_metric(value: float, sent: Any) -> None:
    network, study = running()
    study.ask().report(value)
    (body,) = network.bodies(MEASURE)
    assert body["measurement"]["metrics"] == [{"metricId": "objective", "value": sent}]
    assert body["measurement"]["stepCount"] == "0"


def test_numpy_scalars_are_taken() -> None:
    network, study = running()
    trial = study.ask()
    trial.report(np.float32(0.5), step=np.int64(2))  # type: ignore[arg-type]
    trial.complete({"objective": np.float64(0.25)})
    assert network.bodies(MEASURE)[0]["measurement"]["stepCount"] == "2"
    assert network.bodies(COMPLETE)[0]["finalMeasurement"]["metrics"][0]["value"] == 0.25


def test_a_number_for_several_metrics_is_refused() -> None:
    spec = {"metrics": [{"metricId": "a"}, {"metricId": "b"}]}
    network, study = running(s=study_json(studySpec=spec))
    with pytest.raises(ValueError, match="the study has the metrics a, b; report a dict"):
        study.ask().report(0.5)
    assert MEASURE not in network.calls


def test_the_answer_to_a_report_says_stop() -> None:
    _, study = running(addTrialMeasurement=[trial_json(1), trial_json(1, "STOPPING")])
    trial = study.ask()
    trial.report(0.5)
    assert not trial.should_stop
    trial.report(0.4)
    assert trial.should_stop
    assert trial.state == "STOPPING"


def test_a_block_completes_with_the_last_report() -> None:
    network, study = running()
    with study.ask() as trial:
        trial.report(0.5, step=1)
        trial.report(0.4, step=2)
    (body,) = network.bodies(COMPLETE)
    assert "finalMeasurement" not in body
    assert body["trialInfeasible"] is False
    assert trial.state == "SUCCEEDED"


@pytest.mark.parametrize("state", ["SUCCEEDED", "INFEASIBLE"])
def test_a_block_says_nothing_more_of_a_finished_trial(state: str) -> None:
    network, study = running(complete=trial_json(1, state))
    with study.ask() as trial:
        if state == "SUCCEEDED":
            trial.complete(0.5)
        else:
            trial.fail("out of memory")
    assert network.calls.count(COMPLETE) == 1
    assert trial.state == state


def test_a_final_result_carries_the_last_step() -> None:
    network, study = running()
    trial = study.ask()
    trial.report(0.5, step=7)
    trial.complete(0.4)
    assert network.bodies(COMPLETE)[0]["finalMeasurement"]["stepCount"] == "7"


def test_a_block_without_a_result_is_an_error() -> None:
    network, study = running(complete=trial_json(1, "INFEASIBLE"))
    with pytest.raises(NothingReported, match="trial 1 ended without a result"), study.ask():
        pass
    (body,) = network.bodies(COMPLETE)
    assert body == {"trialInfeasible": True, "infeasibleReason": "the worker reported no result", **MINE}


def test_an_exception_marks_the_trial_and_goes_on() -> None:
    network, study = running(complete=trial_json(1, "INFEASIBLE"))
    with pytest.raises(MemoryError), study.ask():
        raise MemoryError("16 GiB \udcff")
    (body,) = network.bodies(COMPLETE)
    assert body == {"trialInfeasible": True, "infeasibleReason": "MemoryError: 16 GiB ?", **MINE}


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_process_that_leaves_hands_its_trial_back(leaving: type[BaseException]) -> None:
    network, study = running(release=trial_json(1, "REQUESTED"))
    with pytest.raises(leaving), study.ask() as trial:
        raise leaving
    assert network.calls[-1] == RELEASE
    (body,) = network.bodies(RELEASE)
    assert body["attempt"] == 1
    assert len(body["requestId"]) == 32
    assert (trial.state, trial.should_stop) == ("REQUESTED", True)
    # In a notebook the same process may ask again.
    assert study.ask().number == 1


def test_a_process_that_leaves_does_not_wait_for_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    monkeypatch.setattr("dodona._http.transport.time", clock)
    network, study = running()
    began = clock.now

    def interrupted(_: Trial) -> None:
        network.faults = ["refuse"] * 1000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.optimize(interrupted)
    assert clock.now - began == pytest.approx(LEAVING_SECONDS)
    assert "trial 1 could not be released; other workers get it when its lease of 60 s expires" in caplog.text


def test_a_trial_is_handed_back_by_hand() -> None:
    network, study = running(release=[409, trial_json(1, "REQUESTED")])
    trial = study.ask()
    with pytest.raises(Aborted):
        trial.release()
    with pytest.raises(Aborted):
        trial.complete(1.0)
    assert COMPLETE not in network.calls
    with study.ask() as trial:
        trial.release()
    assert network.calls[-1] == RELEASE


def test_what_a_trial_tells_of_earlier_attempts() -> None:
    again = suggestion(1)
    again["response"]["trials"][0] |= {"attempt": 2, "lastStep": "7", "checkpoint": "/data/7.keras"}
    network, study = running(suggest=again)
    with study.ask() as trial:
        assert (trial.attempt, trial.last_step, trial.checkpoint) == (2, 7, "/data/7.keras")
        trial.report(0.5, step=8, checkpoint=Path("/data/8.keras"))
        trial.report(0.4, step=9)
        assert (trial.last_step, trial.checkpoint) == (9, "/data/8.keras")
    assert [body.get("checkpoint") for body in network.bodies(MEASURE)] == ["/data/8.keras", None]
    assert {body["attempt"] for body in network.bodies(MEASURE) + network.bodies(COMPLETE)} == {2}
    with pytest.raises(ValueError, match="4096"):
        study.ask().report(0.5, checkpoint="x" * 5000)


def test_a_trial_whose_steps_are_all_reported_is_completed() -> None:
    again = suggestion(1)
    again["response"]["trials"][0] |= {"attempt": 2, "lastStep": "10"}
    network, study = running(suggest=again)
    with study.ask():
        pass
    assert network.bodies(COMPLETE) == [{"trialInfeasible": False, **MINE, "attempt": 2}]


def test_reports_without_steps_never_have_the_same_moment() -> None:
    network, study = running()
    trial = study.ask()
    for _ in range(20):
        trial.report(0.5)
    moments = [body["measurement"]["elapsedDuration"] for body in network.bodies(MEASURE)]
    assert len(set(moments)) == 20


def test_an_unreachable_server_leaves_the_trial_to_a_restart() -> None:
    network, _ = running()
    study = connected(network, retry=Retry(patience_seconds=0)).get_study("s")
    trial = study.ask()
    network.faults = ["refuse"] * 100
    with pytest.raises(ServerUnreachable), trial:
        trial.report(0.5)
    assert COMPLETE not in network.calls
    network.faults.clear()
    assert study.ask().number == 1


def test_a_trial_that_was_handed_on_is_left_alone() -> None:
    network, study = running(addTrialMeasurement=409)
    with pytest.raises(Aborted), study.ask() as trial:
        trial.report(0.5)
    assert COMPLETE not in network.calls


def test_a_trial_that_somebody_ended_stops_and_is_left_alone() -> None:
    network, study = running(addTrialMeasurement=trial_json(1, "INFEASIBLE"))
    with study.ask() as trial:
        trial.report(0.5)
        assert trial.should_stop
    assert COMPLETE not in network.calls


def test_the_blocks_error_is_not_hidden_by_the_servers(caplog: pytest.LogCaptureFixture) -> None:
    _, study = running(complete=400)
    with pytest.raises(ZeroDivisionError), study.ask():
        raise ZeroDivisionError
    assert "trial 1 could not be marked infeasible: refused with 400" in caplog.text


def test_a_refused_result_is_raised_and_the_trial_stays_in_hand() -> None:
    _, study = running(complete=[400, trial_json(1, "SUCCEEDED")])
    trial = study.ask()
    with pytest.raises(FailedPrecondition):
        trial.complete()
    trial.complete(0.5)
    assert trial.state == "SUCCEEDED"
