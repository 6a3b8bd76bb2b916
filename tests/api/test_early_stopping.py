"""Stopping rules over HTTP: the answer to a report stops the trial, with the reason in its event and its metadata."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from dodona_server.app import create_app
from dodona_server.storage.engine import statement
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.api.stopping_calls import MEDIAN, reason, report, run, start
from tests.support.app_client import AppClient
from tests.support.patience import patience


def stopped(api, seconds=None):
    """A trial that is stopped, and its states: one bad trial after another, until the model is there."""
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        trial = start(api)
        timed = [{} if seconds is None else {"seconds": step * seconds} for step in range(1, 10)]
        states = [report(api, trial, 2.0 + 0.1 / step, step, **more) for step, more in enumerate(timed, 1)]
        api.post(f"{trial}:complete")
        if "STOPPING" in states:
            return trial, states
    raise AssertionError("no trial was stopped")


class TestAsha:
    def test_one_in_three_goes_on_at_each_rung(self, api, make_study):
        make_study(ashaStoppingSpec={"minResource": 2, "maxResource": 18})
        assert run(api, [0.5] * 20)[0] == ["ACTIVE"] * 20
        # Fewer than three: the second goes on.
        assert run(api, [0.6] * 20)[0] == ["ACTIVE"] * 20
        trial = start(api)
        assert [report(api, trial, 0.9, step) for step in (1, 2)] == ["ACTIVE", "STOPPING"]
        assert reason(api, trial) == "rank 3 of 3 trials at the rung of step 2, of which 1 go on; best so far 0.9"
        api.post(f"{trial}:complete")
        # Trials that were stopped count where they got to: this one is the second of four at the first rung, but
        # among the best of two or three at the next.
        assert run(api, [0.4, 0.4, 0.4, 0.4, 0.4, 0.4])[0] == ["ACTIVE"] * 6
        trial = start(api)
        assert [report(api, trial, 0.45, step) for step in (1, 2)] == ["ACTIVE", "STOPPING"]

    def test_running_trials_count(self, api, make_study):
        make_study(ashaStoppingSpec={})
        states = [report(api, start(api, f"w{value}"), value, 1) for value in (0.5, 0.6, 0.7)]
        assert states == ["ACTIVE", "ACTIVE", "STOPPING"]

    def test_a_step_over_several_rungs_counts_at_the_highest(self, api, make_study):
        make_study(ashaStoppingSpec={})
        states = [report(api, start(api, f"w{value}"), value, 10) for value in (0.5, 0.6, 0.7)]
        assert states == ["ACTIVE", "ACTIVE", "STOPPING"]
        assert "at the rung of step 9" in reason(api, "/studies/s/trials/3")

    def test_the_variant_that_promotes_is_an_algorithm(self, api, spec, make_study):
        make_study(ashaStoppingSpec={"variant": "STOPPING"})
        assert api.get("/studies/s")["studySpec"]["ashaStoppingSpec"]["reductionFactor"] == 3
        message = api.refused("/studies", {"studySpec": {**spec, "ashaStoppingSpec": {"variant": "PROMOTION"}}})
        assert message.startswith("studySpec.ashaStoppingSpec.variant: PROMOTION pauses trials")
        assert "set algorithm to ASHA" in message


class TestNoProgress:
    def test_a_trial_that_no_longer_improves(self, api, make_study):
        make_study(noProgressStoppingSpec={"patience": 3, "leastImprovement": 0.01})
        assert run(api, [0.3] * 9)[0] == ["ACTIVE"] * 9  # the best of all
        trial = start(api)
        values = (0.9, 0.7, 0.5, 0.495, 0.6, 0.495)
        states = [report(api, trial, value, step) for step, value in enumerate(values, 1)]
        assert states == ["ACTIVE"] * 5 + ["STOPPING"]
        assert reason(api, trial) == ("no improvement by more than 0.01 from step 3 to step 6; best so far 0.495")

    def test_by_elapsed_time(self, api, make_study):
        make_study(noProgressStoppingSpec={"patience": 60, "useElapsedDuration": True})
        report(api, start(api, "best"), 0.1, 1, seconds=1)
        trial = start(api)
        states = [report(api, trial, 0.9, 0, seconds=seconds) for seconds in (10, 40, 69, 70)]
        assert states == ["ACTIVE", "ACTIVE", "ACTIVE", "STOPPING"]


def test_a_safety_metric_is_no_objective(api, make_study):
    safe = {"metricId": "latency", "goal": "MINIMIZE", "safetyConfig": {"safetyThreshold": 1.0}}
    make_study(noProgressStoppingSpec={"patience": 1}, metrics=[safe, {"metricId": "loss", "goal": "MINIMIZE"}])
    report(api, start(api, "best"), 0.1, 1)
    trial = start(api)
    assert [report(api, trial, 0.9, step, metric="latency") for step in (1, 2, 3)] == ["ACTIVE"] * 3
    assert [report(api, trial, 0.9, step) for step in (4, 5)] == ["ACTIVE", "STOPPING"]


@pytest.mark.processes
class TestRulesThatPredict:
    """The model is fitted in another process, so a rule may act some reports late."""

    @pytest.mark.parametrize("rule", ["automaticStoppingSpec", "decayCurveStoppingSpec"])
    def test_a_bad_curve_is_stopped_with_its_reason_and_a_good_one_is_not(self, api, make_study, rule):
        make_study(**{rule: {}})
        # Each is better than the ones before.
        for number in reversed(range(12)):
            assert run(api, [0.3 + number / 100 + 0.1 / step for step in range(1, 13)])[0] == ["ACTIVE"] * 12
        trial, states = stopped(api)
        assert states[:2] == ["ACTIVE"] * 2
        assert "is expected at step 12; best so far 2" in reason(api, trial)
        assert run(api, [0.299 + 0.1 / step for step in range(1, 13)])[0] == ["ACTIVE"] * 12
        # The best trial so far, however bad it becomes.
        assert run(api, [0.1] + [9.0] * 11)[0] == ["ACTIVE"] * 12

    def test_by_elapsed_time(self, api, make_study):
        make_study(decayCurveStoppingSpec={"useElapsedDuration": True})
        for number in reversed(range(12)):
            trial = start(api)
            for second in range(1, 11):
                report(api, trial, 0.3 + number / 100, 0, seconds=second * 1.5)
            api.post(f"{trial}:complete")
        trial, _ = stopped(api, seconds=1.5)
        assert "is expected at 15 s; best so far 2" in reason(api, trial)


class TestDivergence:
    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
    def test_automatic_stops_it_at_once(self, api, make_study, value):
        make_study(automaticStoppingSpec={})
        trial = start(api)
        assert [report(api, trial, 0.5, 1), report(api, trial, value, 2)] == ["ACTIVE", "STOPPING"]
        shown = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}[value]
        assert reason(api, trial) == f"diverged: loss is {shown} at step 2"
        assert report(api, trial, value, 3) == "STOPPING"

    def test_other_metrics_may_be_anything(self, api, make_study):
        make_study(automaticStoppingSpec={})
        assert report(api, start(api), "NaN", 1, metric="accuracy") == "ACTIVE"

    def test_other_rules_go_on(self, api, make_study):
        make_study(decayCurveStoppingSpec={})
        assert report(api, start(api), "NaN", 1) == "ACTIVE"


class TestAcrossServers:
    @pytest.fixture
    def server(self, database_url) -> Iterator[Callable[[], Api]]:
        """Starts another server on the same database, after the one before has ended."""
        running: list[tuple[AppClient, Api]] = []

        def stop():
            while running:
                running.pop()[0].__exit__(None, None, None)

        def start():
            stop()
            client = AppClient(create_app(open_store(database_url)), base_url="http://localhost")
            running.append((client.__enter__(), Api(client)))
            return running[-1][1]

        yield start
        stop()

    def test_a_restart_forgets_nothing(self, server, spec):
        api = server()
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, **MEDIAN}})
        for value in (0.3, 0.4, 0.4, 0.4, 0.5):
            run(api, [value] * 6)
        trial = start(api)
        for step in (1, 2, 3):
            report(api, trial, 0.9, step)
        api = server()
        assert report(api, trial, 0.9, 4) == "STOPPING"
        api = server()
        assert reason(api, trial) == "median of 5 trials at step 4 is 0.4; best so far 0.9"
        assert api.post(f"{trial}:checkTrialEarlyStoppingState")["response"]["shouldStop"]
        assert report(api, trial, 0.9, 5) == "STOPPING"

    def test_the_model_is_fitted_again_after_a_restart(self, server, spec):
        api = server()
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, "automaticStoppingSpec": {}}})
        for number in reversed(range(9)):
            run(api, [0.3 + number / 100] * 10)
        api = server()
        trial, _ = stopped(api)
        assert "is expected at step 10" in reason(api, trial)


def test_a_report_to_a_study_without_a_rule_sends_no_statement_more(database_url, spec, monkeypatch):
    with AppClient(create_app(open_store(database_url)), base_url="http://localhost") as client:
        api = Api(client)
        sent: list[str] = []
        send = statement.send
        monkeypatch.setattr(
            statement, "send", lambda to, text, *rest, **more: (sent.append(text), send(to, text, *rest, **more))[1]
        )

        def tables():
            api.post("/studies", {"studyId": "s", "studySpec": spec})
            trial = start(api)
            sent.clear()
            report(api, trial, 0.5, 1)
            return [text for text in sent if "curves" in text or text.startswith("SELECT studies.spec")]

        assert tables() == []
        assert sum("INSERT INTO measurements" in text for text in sent) == 1
