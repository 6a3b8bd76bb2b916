"""The median rule over HTTP: which trials it stops, and what is stored of the curves that it compares."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from dodona_server.storage.tables.core import curves, events
from tests.api.conftest import HERE
from tests.api.stopping_calls import MEDIAN, measurement, reason, report, run, start
from tests.storage.conftest import plain_engine
from tests.support.patience import patience


@pytest.fixture
def five(api, make_study):
    """Five finished trials of a study with the median rule; their means are 0.4 at each step, and the best is 0.3."""
    make_study(**MEDIAN)
    for value in (0.3, 0.4, 0.4, 0.4, 0.5):
        assert run(api, [value] * 6)[0] == ["ACTIVE"] * 6


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
