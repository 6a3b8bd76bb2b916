"""Stopping rules over HTTP: the answer to a report stops the trial, with the reason in its event and its metadata."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from dodona_server.app import create_app
from dodona_server.storage.engine import statement
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.tables.core import curves, events
from tests.api.conftest import HERE, Api
from tests.storage.conftest import plain_engine
from tests.support.patience import patience

MEDIAN = {"medianAutomatedStoppingSpec": {}}


def measurement(value, step, seconds=None, metric="loss"):
    timed = {} if seconds is None else {"elapsedDuration": f"{seconds}s"}
    return {"stepCount": step, "metrics": [{"metricId": metric, "value": value}], **timed}


def start(api, client="w"):
    """The path of a new ACTIVE trial."""
    return f"/studies/s/trials/{api.suggest(client=client)[0]['id']}"


def report(api, trial, value, step, **more):
    """The state in the answer to a report."""
    return api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(value, step, **more)})["state"]


def run(api, values, **more):
    """Report a whole curve and complete the trial; return the states in the answers, and the trial's path."""
    trial = start(api)
    states = [report(api, trial, value, step, **more) for step, value in enumerate(values, 1)]
    api.post(f"{trial}:complete")
    return states, trial


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


@pytest.fixture
def five(api, make_study):
    """Five finished trials of a study with the median rule; their means are 0.4 at each step, and the best is 0.3."""
    make_study(**MEDIAN)
    for value in (0.3, 0.4, 0.4, 0.4, 0.5):
        assert run(api, [value] * 6)[0] == ["ACTIVE"] * 6


def reason(api, trial):
    """The reason in the trial's metadata and in the only event of its stop."""
    events = api.get("/studies/s/events?pageSize=1000")["events"]
    (event,) = [one for one in events if one["kind"] == "TRIAL_STOPPING" and one["trial"] == trial.rpartition("/")[2]]
    assert api.get(trial)["metadata"]["stopping/reason"] == event["detail"]
    return event["detail"]


class TestMedian:
    def test_a_bad_curve_is_stopped_with_its_reason(self, api, five):
        trial = start(api)
        assert not api.post(f"{trial}:checkTrialEarlyStoppingState")["response"]["shouldStop"]
        states = [report(api, trial, 0.9 - step / 100, step) for step in (1, 2, 3, 4)]
        assert states == ["ACTIVE", "ACTIVE", "ACTIVE", "STOPPING"]
        assert reason(api, trial) == "median of 5 trials at step 4 is 0.4; best so far 0.86"
        assert api.post(f"{trial}:checkTrialEarlyStoppingState")["response"]["shouldStop"]
        # What it still reports is kept, and it is not stopped again.
        assert report(api, trial, 0.8, 5) == "STOPPING"
        assert report(api, trial, 0.2, 6) == "STOPPING"
        ended = api.post(f"{trial}:complete")
        assert (ended["state"], ended["finalMeasurement"]["stepCount"]) == ("SUCCEEDED", "6")
        assert reason(api, trial) == "median of 5 trials at step 4 is 0.4; best so far 0.86"

    def test_the_best_trial_is_never_stopped(self, api, five):
        states, _ = run(api, [0.29] * 6)
        assert states == ["ACTIVE"] * 6
        # One that was better than all others at first goes on too, however bad it becomes.
        states, _ = run(api, [0.1, 9.0, 9.0, 9.0, 9.0, 9.0])
        assert states == ["ACTIVE"] * 6

    def test_fewer_than_five_trials_stop_nothing(self, api, make_study):
        make_study(**MEDIAN)
        for value in (0.3, 0.4, 0.4, 0.4, 9.0):
            assert run(api, [value] * 6)[0] == ["ACTIVE"] * 6

    def test_trials_that_run_or_did_not_get_there_do_not_count(self, api, five):
        running = [start(api, f"w{number}") for number in range(6)]
        for trial in running:
            report(api, trial, 0.35, 10)
        trial = start(api, "other")
        assert [report(api, trial, 0.9, step) for step in (6, 7, 8, 9, 10)] == ["ACTIVE"] * 5

    def test_a_maximized_objective(self, api, make_study):
        make_study(**MEDIAN, metrics=[{"metricId": "loss", "goal": "MAXIMIZE"}])
        for value in (0.7, 0.6, 0.6, 0.6, 0.5):
            run(api, [value] * 4)
        trial = start(api)
        assert [report(api, trial, 0.1, step) for step in (1, 2, 3, 4)][-1] == "STOPPING"
        assert reason(api, trial) == "median of 5 trials at step 4 is 0.6; best so far 0.1"

    def test_by_elapsed_time(self, api, make_study):
        make_study(medianAutomatedStoppingSpec={"useElapsedDuration": True})
        for value in (0.3, 0.4, 0.4, 0.4, 0.5):
            trial = start(api)
            for second in range(1, 7):
                report(api, trial, value, 0, seconds=second * 1.5)
            api.post(f"{trial}:complete")
        trial = start(api)
        # One without a time is kept, and not judged.
        report(api, trial, 0.9, 9)
        states = [report(api, trial, 0.9, step, seconds=second) for step, second in enumerate((0.5, 1, 2, 5), 1)]
        assert states == ["ACTIVE", "ACTIVE", "ACTIVE", "STOPPING"]
        assert reason(api, trial) == "median of 5 trials at 5 s is 0.4; best so far 0.9"
        assert len(api.get(trial)["measurements"]) == 5

    def test_values_that_are_not_finite_and_other_metrics_are_kept_and_not_judged(self, api, five):
        trial = start(api)
        for step, value in enumerate(("NaN", "Infinity", "-Infinity", "NaN"), 1):
            assert report(api, trial, value, step) == "ACTIVE"
        assert report(api, trial, 0.9, 5, metric="accuracy") == "ACTIVE"
        assert report(api, trial, 0.9, 0) == "ACTIVE"
        assert len(api.get(trial)["measurements"]) == 6
        assert [report(api, trial, 0.9, step) for step in (3, 4, 5)] == ["ACTIVE"] * 3
        assert report(api, trial, 0.9, 6) == "STOPPING"

    def test_repeated_steps_and_steps_that_go_backwards_stop_nothing(self, api, five):
        trial = start(api)
        steps = (3, 3, 1, 2, 3, 3)
        assert [report(api, trial, 0.9, step) for step in steps] == ["ACTIVE"] * len(steps)
        # They count as measurements, at the last step.
        assert report(api, trial, 0.9, 4) == "STOPPING"

    def test_several_reports_in_one_call(self, api, five):
        bad, good = start(api, "one"), start(api, "two")
        reports = [
            {"trial": trial.rpartition("/")[2], "measurement": measurement(value, step)}
            for step in range(1, 6)
            for trial, value in ((bad, 0.9), (good, 0.35))
        ]
        trials = api.post("/studies/s/trials:report", {"reports": reports})["trials"]
        assert [trial["state"] for trial in trials[-2:]] == ["STOPPING", "ACTIVE"]
        assert reason(api, bad) == trials[-2]["metadata"]["stopping/reason"]
        assert reason(api, bad) == "median of 5 trials at step 4 is 0.4; best so far 0.9"
        assert len(api.get(bad)["measurements"]) == 5

    def test_a_report_with_a_request_id_says_so_again(self, api, five):
        trial = start(api)
        for step in (1, 2, 3):
            report(api, trial, 0.9, step)
        body = {"measurement": measurement(0.9, 4), "requestId": "r"}
        for _ in range(2):
            answer = api.post(f"{trial}:addTrialMeasurement", body)
            assert (answer["state"], answer["metadata"]) == ("STOPPING", api.get(trial)["metadata"])
        reason(api, trial)

    def test_a_stopped_trial_that_is_lost_ends_with_what_it_measured(self, api, five):
        trial = start(api)
        for step in (1, 2, 3, 4):
            report(api, trial, 0.9, step)
        ended = api.post(f"{trial}:release")
        assert (ended["state"], ended["finalMeasurement"]["metrics"][0]["value"]) == ("SUCCEEDED", 0.9)

    def test_a_deleted_trial_does_not_count(self, api, five):
        assert api.delete("/studies/s/trials/1") == {}
        trial = start(api)
        assert [report(api, trial, 0.9, step) for step in (1, 2, 3, 4)] == ["ACTIVE"] * 4

    def test_the_older_dialect(self, api):
        client = api.client
        studies = f"/ml/v1/{HERE.removeprefix('/v1/')}/studies"
        config = {
            "metrics": [{"metric": "loss", "goal": "MINIMIZE"}],
            "parameters": [{"parameter": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
            "algorithm": "RANDOM_SEARCH",
            "automatedStoppingConfig": {"medianAutomatedStoppingConfig": {}},
        }
        assert client.post(f"{studies}?studyId=s", json={"studyConfig": config}).status_code == 200
        for value in (0.3, 0.4, 0.4, 0.4, 0.5):
            run(api, [value] * 4)
        trial = start(api)
        for step in (1, 2, 3, 4):
            body = {"measurement": {"stepCount": step, "metrics": [{"metric": "loss", "value": 0.9}]}}
            state = client.post(f"/ml/v1/{HERE.removeprefix('/v1/')}{trial}:addMeasurement", json=body).json()["state"]
        assert state == "STOPPING"
        check = client.post(f"/ml/v1/{HERE.removeprefix('/v1/')}{trial}:checkEarlyStoppingState").json()
        assert check["response"]["shouldStop"] is True


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
        running: list[tuple[TestClient, Api]] = []

        def stop():
            while running:
                running.pop()[0].__exit__(None, None, None)

        def start():
            stop()
            client = TestClient(create_app(open_store(database_url)), base_url="http://localhost")
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


def test_what_is_stored(api, five, database_url):
    trial = start(api)
    for step in (1, 2, 3, 4):
        report(api, trial, 0.9, step)
    engine = plain_engine(database_url)

    def stored(query):
        with engine.connect() as connection:
            return connection.execute(query).scalars().all()

    rows = sa.select(curves.c.number).order_by(curves.c.number, curves.c.position)
    assert stored(rows) == [*[1] * 6, *[2] * 6, *[3] * 6, *[4] * 6, *[5] * 6, *[6] * 4]
    assert stored(sa.select(events.c.actor).where(events.c.kind == "TRIAL_STOPPING")) == ["server"]
    for number in (1, 2):
        api.delete(f"/studies/s/trials/{number}")
    assert set(stored(rows)) == {3, 4, 5, 6}
    api.delete("/studies/s")
    (deleted,) = api.get("/deletedStudies")["deletedStudies"]
    api.client.delete(f"/v1/{deleted['name']}").raise_for_status()
    deadline = time.monotonic() + patience(20)
    while stored(rows):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engine.dispose()


def test_a_report_to_a_study_without_a_rule_sends_no_statement_more(database_url, spec, monkeypatch):
    with TestClient(create_app(open_store(database_url)), base_url="http://localhost") as client:
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
