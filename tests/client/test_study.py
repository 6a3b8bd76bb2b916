"""Asking for trials, and reading what became of them."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from dodona import Aborted, Client, FailedPrecondition, Float, Int, StudyCompleted, Trial
from tests.client.network import Clock, Network, canned, connected, study_json, suggestion, trial_json


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dodona._studies.asking.time", clock)
    return clock


def held(network: Network) -> list[list[str]]:
    """The trials in hand that each call to suggest named."""
    bodies = network.bodies("POST studies/s/trials:suggest")
    assert all(body["suggestionCount"] == 1 for body in bodies)
    return [body["heldTrials"] for body in bodies]


def test_two_trials_in_hand_are_two_different_ones() -> None:
    network = Network(
        canned(
            s=study_json(),
            suggest=[suggestion(1), suggestion(2), suggestion(3)],
            complete=trial_json(1, "SUCCEEDED"),
        )
    )
    study = connected(network).get_study("s")
    first, second = study.ask(), study.ask()
    first.complete(0.5)
    third = study.ask()
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert held(network) == [[], ["1"], ["2"]]


def test_a_lease_is_asked_for() -> None:
    network = Network(canned(s=study_json(), suggest=[suggestion(1), suggestion(2)]))
    connected(network).get_study("s").ask()
    connected(network, lease_seconds=2.5).get_study("s").ask()
    bodies = network.bodies("POST studies/s/trials:suggest")
    assert [body["leaseDuration"] for body in bodies] == ["60.000s", "2.500s"]


@pytest.mark.parametrize("seconds", [0, 0.05, -1, 100_000, math.nan])
def test_a_lease_that_makes_no_sense_is_refused_at_once(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"a lease of .* is not from 0\.1 to 86400 seconds"):
        Client(lease_seconds=seconds)


def test_a_restarted_worker_gets_its_trial_back() -> None:
    network = Network(canned(s=study_json(), suggest=suggestion(7)))
    before, after = (connected(network, worker="gpu-3").get_study("s").ask() for _ in range(2))
    assert before.number == after.number == 7
    assert {body["clientId"] for body in network.bodies("POST studies/s/trials:suggest")} == {"gpu-3"}


def test_workers_in_one_process_have_hands_of_their_own() -> None:
    network = Network(canned(s=study_json(), suggest=[suggestion(1), suggestion(2)]))
    study = connected(network).get_study("s")
    assert (study.ask("a").number, study.ask("b").number) == (1, 2)
    assert held(network) == [[], []]


def test_two_objects_of_one_study_share_the_hand() -> None:
    network = Network(canned(s=study_json(), suggest=[suggestion(1), suggestion(2)]))
    client = connected(network)
    assert (client.get_study("s").ask().number, client.get_study("s").ask().number) == (1, 2)
    assert held(network) == [[], ["1"]]


def test_a_trial_that_comes_again_while_it_runs_here_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    again = suggestion(1)
    again["response"]["trials"][0]["attempt"] = 2
    network = Network(canned(s=study_json(), suggest=[suggestion(1), again], addTrialMeasurement=trial_json(1)))
    study = connected(network).get_study("s")
    first, second = study.ask(), study.ask()
    assert (first.lost, first.should_stop) == (True, True)
    assert (second.number, second.attempt, second.lost) == (1, 2, False)
    assert "trial 1 is no longer this worker's: attempt 1 of trial 1 was lost" in caplog.text
    with pytest.raises(Aborted):
        first.report(0.5)
    second.report(0.5)
    (body,) = network.bodies("POST studies/s/trials/1:addTrialMeasurement")
    assert body["attempt"] == 2


@pytest.mark.parametrize("in_hand", [[], [1]])
def test_a_study_with_nothing_left(in_hand: list[int]) -> None:
    answers = [*(suggestion(number) for number in in_hand), suggestion(state="COMPLETED")]
    study = connected(Network(canned(s=study_json(displayName="f"), suggest=answers))).get_study("s")
    for _ in in_hand:
        study.ask()
    with pytest.raises(StudyCompleted, match="'f' has no trial left"):
        study.ask()


def test_a_paused_study_says_why() -> None:
    paused = study_json("INACTIVE", inactiveReason="the algorithm failed 10 times")
    network = Network(canned(s=[study_json(), paused], suggest=suggestion(state="INACTIVE")))
    study = connected(network).get_study("s")
    with pytest.raises(FailedPrecondition, match="paused: the algorithm failed 10 times"):
        study.ask()
    assert study.state == "INACTIVE"


def test_asking_waits_while_there_may_be_more_later(clock: Clock) -> None:
    network = Network(canned(s=study_json(), suggest=[*[suggestion()] * 7, suggestion(1)]))
    assert connected(network).get_study("s").ask().number == 1
    assert clock.slept[0] == 1
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 5
    bodies = network.bodies("POST studies/s/trials:suggest")
    assert len({body["requestId"] for body in bodies}) == 8
    waits = [body.get("wait") for body in bodies]
    assert waits == [None, *["5.000s"] * 4, *["20.000s"] * 3], "short ones until it has said that it waits"


def test_asking_waits_as_long_as_it_may(clock: Clock) -> None:
    network = Network(canned(s=study_json(), suggest=[suggestion()] * 20))
    study = connected(network).get_study("s")
    with pytest.raises(TimeoutError, match=r"the study 's' had no trial for 2\.5 s"):
        study.ask(wait_seconds=2.5)
    assert sum(clock.slept) == pytest.approx(2.5)
    asked = len(network.bodies("POST studies/s/trials:suggest"))
    with pytest.raises(TimeoutError):
        study.ask(wait_seconds=0)
    assert len(network.bodies("POST studies/s/trials:suggest")) == asked + 1


def test_parameters_that_another_worker_added_are_learned() -> None:
    grown = study_json()
    grown["studySpec"] = {
        **grown["studySpec"],
        "parameters": [{"parameterId": "n", "integerValueSpec": {"minValue": "1", "maxValue": "9"}}],
    }
    answer = suggestion(1)
    answer["response"]["trials"][0]["parameters"] = [{"parameterId": "n", "value": 4.0}]
    network = Network(canned(s=[study_json(), grown], suggest=answer))
    study = connected(network).get_study("s")
    trial = study.ask()
    assert trial.parameters == {"n": 4}
    assert type(trial.parameters["n"]) is int
    assert study.space == {"n": Int(1, 9)}


def test_parameters_are_added() -> None:
    network = Network(canned(s=study_json(), addParameters=study_json()))
    study = connected(network).get_study("s")
    study.add_parameters({"y": Float(0, 1)})
    study.add_parameters(study.spec.parameters)
    first, second = network.bodies("POST studies/s:addParameters")
    assert first["parameters"][0]["parameterId"] == "y"
    assert second["parameters"][0]["parameterId"] == "x"


def test_a_trial_is_queued_or_told() -> None:
    network = Network(canned(s=study_json(), trials=trial_json(4, "REQUESTED")))
    study = connected(network).get_study("s")
    assert study.add_trial({"x": 0.5}).number == 4
    study.add_trial({"x": 1}, 0.25)
    queued, told = network.bodies("POST studies/s/trials")
    assert queued["parameters"] == [{"parameterId": "x", "value": 0.5}]
    assert "state" not in queued
    assert told["state"] == "SUCCEEDED"
    assert told["finalMeasurement"]["metrics"] == [{"metricId": "objective", "value": 0.25}]
    with pytest.raises(ValueError, match=r"parameter 'x': 2 is not a number from 0.0 to 1.0"):
        study.add_trial({"x": 2})


FINISHED = trial_json(
    3,
    "SUCCEEDED",
    attempt=2,
    startTime="2026-01-01T00:00:00Z",
    endTime="2026-01-01T00:01:30Z",
    finalMeasurement={"stepCount": "9", "metrics": [{"metricId": "objective", "value": 0.1}]},
    measurements=[
        {"stepCount": "9", "elapsedDuration": "1.500s", "metrics": [{"metricId": "objective", "value": 0.1}]}
    ],
)


def test_what_a_record_tells() -> None:
    network = Network(canned(s=study_json(), **{"3": FINISHED}))
    record = connected(network).get_study("s").trial(3)
    assert (record.number, record.state, record.worker, record.attempt) == (3, "SUCCEEDED", "w", 2)
    assert (record.parameters, record.metrics) == ({"x": 0.5}, {"objective": 0.1})
    assert record.start is not None
    assert record.end is not None
    assert (record.end - record.start).total_seconds() == 90
    (measurement,) = record.measurements
    assert (measurement.step, measurement.metrics) == (9, {"objective": 0.1})
    assert measurement.elapsed is not None
    assert measurement.elapsed.total_seconds() == 1.5
    assert record.infeasible_reason is None


def test_the_best_trials() -> None:
    network = Network(canned(s=study_json(), trials=[{"trials": [FINISHED]}, {"trials": [FINISHED]}, {}]))
    study = connected(network).get_study("s")
    best = study.best_trials(5)
    assert [record.number for record in best] == [3]
    assert study.best_trial == best[0]
    assert study.best_trial is None
    assert [dict(request.url.params) for request in network.requests[1:]] == [
        {"orderBy": "objective", "pageSize": "5"},
        *[{"orderBy": "objective", "pageSize": "1"}] * 2,
    ]


def test_the_optimal_trials() -> None:
    network = Network(canned(s=study_json(), listOptimalTrials={"optimalTrials": [FINISHED]}))
    assert [record.number for record in connected(network).get_study("s").optimal_trials()] == [3]


def test_a_dataframe_of_all_trials() -> None:
    failed = trial_json(4, "INFEASIBLE", infeasibleReason="too large")
    network = Network(canned(s=study_json(), trials={"trials": [FINISHED, failed]}))
    frame = connected(network).get_study("s").to_dataframe()
    columns = ["number", "state", "stopped", "params_x", "metrics_objective", "worker", "attempt", "start", "end"]
    assert list(frame.columns) == [*columns, "duration"]
    assert list(frame["number"]) == [3, 4]
    assert frame["duration"][0].total_seconds() == 90
    assert frame["metrics_objective"].isna().tolist() == [False, True]


def test_a_dataframe_of_no_trials_has_its_columns() -> None:
    frame = connected(Network(canned(s=study_json(), trials={}))).get_study("s").to_dataframe()
    assert list(frame["params_x"]) == []


def optimizing(objective: Any, n_trials: int | None = None, **answers: Any) -> Network:
    answers = {"complete": trial_json(1, "SUCCEEDED"), **answers}
    network = Network(canned(s=study_json(), **answers))
    connected(network).get_study("s").optimize(objective, n_trials)
    return network


def test_optimize_runs_until_nothing_is_left() -> None:
    answers = [suggestion(1), suggestion(2), suggestion(state="COMPLETED")]
    network = optimizing(lambda trial: trial.parameters["x"] ** 2, suggest=answers)
    finals = [network.bodies(f"POST studies/s/trials/{number}:complete")[0]["finalMeasurement"] for number in (1, 2)]
    assert [final["metrics"][0]["value"] for final in finals] == [0.25, 0.25]


def test_optimize_runs_as_many_as_it_is_told() -> None:
    network = optimizing(lambda _: 1.0, n_trials=2, suggest=[suggestion(1), suggestion(2), suggestion(3)])
    assert held(network) == [[], []]


def test_optimize_takes_a_result_that_was_reported() -> None:
    def objective(trial: Trial) -> None:
        trial.report(0.5, step=1)

    answers = [suggestion(1), suggestion(state="COMPLETED")]
    network = optimizing(objective, suggest=answers, addTrialMeasurement=trial_json(1))
    # The study is fetched once more for what completed it.
    assert network.calls[-3:] == ["POST studies/s/trials/1:complete", "POST studies/s/trials:suggest", "GET studies/s"]


def test_optimize_goes_on_after_a_lost_trial(caplog: pytest.LogCaptureFixture) -> None:
    answers = [suggestion(1), suggestion(2), suggestion(state="COMPLETED")]
    network = optimizing(lambda _: 1.0, suggest=answers, complete=[409, trial_json(2, "SUCCEEDED")])
    assert network.calls.count("POST studies/s/trials/1:complete") == 1
    assert held(network) == [[], [], []]
    assert "trial 1 was lost" in caplog.text


def test_optimize_ends_with_the_objectives_error() -> None:
    def objective(trial: Trial) -> float:
        raise ZeroDivisionError("no x")

    network = Network(canned(s=study_json(), suggest=suggestion(1), complete=trial_json(1, "INFEASIBLE")))
    with pytest.raises(ZeroDivisionError):
        connected(network).get_study("s").optimize(objective)
    (body,) = network.bodies("POST studies/s/trials/1:complete")
    assert (body["trialInfeasible"], body["infeasibleReason"]) == (True, "ZeroDivisionError: no x")


def test_aborted_outside_of_optimize_is_raised() -> None:
    trial = connected(Network(canned(s=study_json(), suggest=suggestion(1), complete=409))).get_study("s").ask()
    with pytest.raises(Aborted):
        trial.complete(1.0)


def test_the_best_trials_come_page_by_page_where_one_is_too_large() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/trials"):
            return httpx.Response(200, json=study_json())
        token = request.url.params.get("pageToken", "")
        asked.append((request.url.params["pageSize"], token))
        more = {"": "a b", "a b": "c", "c": ""}[token]
        trials = [trial_json(len(asked))]
        return httpx.Response(200, json={"trials": trials, "nextPageToken": more})

    asked: list[tuple[str, str]] = []
    study = Client("http://oracle", transport=httpx.MockTransport(answer)).get_study("s")
    assert [one.number for one in study.best_trials(5)] == [1, 2, 3]
    assert asked == [("5", ""), ("4", "a b"), ("3", "c")]
    asked.clear()
    assert [one.number for one in study.best_trials(2)] == [1, 2]
