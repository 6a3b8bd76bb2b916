"""What a trial means that was stopped early: a part of a curve, never a final value."""

from __future__ import annotations

import csv
import io

import pytest

from tests.api.conftest import HERE
from tests.api.stopping_calls import MEDIAN, measurement, report, run, start


def end(api, trial, **more):
    return api.post(f"{trial}:complete", more)


def numbers(trials):
    return [trial["id"] for trial in trials]


def optimal(api):
    return numbers(api.post("/studies/s/trials:listOptimalTrials").get("optimalTrials", []))


def ranked(api, **query):
    given = "&".join(f"{name}={value}" for name, value in {"orderBy": "objective", **query}.items())
    return api.get(f"/studies/s/trials?{given}")


def whole(api, value):
    """The path of a trial that ends by itself with this value."""
    trial = start(api)
    report(api, trial, value, 1)
    end(api, trial)
    return trial


def stopped(api, value, step=1):
    """The path of a trial that a client stops after a report of this value."""
    trial = start(api)
    report(api, trial, value, step)
    api.post(f"{trial}:stop")
    end(api, trial)
    return trial


class TestRanking:
    @pytest.fixture(autouse=True)
    def _study(self, make_study):
        make_study()

    def test_a_stopped_trial_is_marked_and_is_not_the_best(self, api):
        better, best = stopped(api, 0.1), whole(api, 0.5)
        marked = api.get(better)
        assert (marked["state"], marked["stopped"], marked["finalMeasurement"]["stepCount"]) == ("SUCCEEDED", True, "1")
        assert "stopped" not in api.get(best)
        assert optimal(api) == ["2"]
        assert numbers(ranked(api)["trials"]) == ["2"]
        assert numbers(api.get("/studies/s/trials")["trials"]) == ["1", "2"]

    def test_it_is_the_best_while_no_other_has_succeeded(self, api):
        for value in (0.3, 0.1, 0.2):
            stopped(api, value)
        assert optimal(api) == ["2"]
        page = ranked(api, pageSize=2)
        assert numbers(page["trials"]) == ["2", "3"]
        assert numbers(ranked(api, pageSize=2, pageToken=page["nextPageToken"])["trials"]) == ["1"]
        whole(api, 0.9)
        assert optimal(api) == ["4"]
        assert numbers(ranked(api)["trials"]) == ["4"]

    def test_a_trial_that_had_reached_its_end_was_not_stopped(self, api):
        trial = start(api)
        report(api, trial, 0.1, 1)
        assert api.post(f"{trial}:stop")["state"] == "STOPPING"
        assert "stopped" not in end(api, trial, whole=True)
        assert optimal(api) == ["1"]
        # The call may be sent again.
        assert "stopped" not in end(api, trial, whole=True)

    def test_one_whose_worker_releases_it_or_is_lost_is_a_part_too(self, api):
        trial = start(api)
        report(api, trial, 0.1, 1)
        api.post(f"{trial}:stop")
        assert api.post(f"{trial}:release")["stopped"] is True

    def test_why_a_person_stopped_it(self, api):
        trial = stopped(api, 0.1)
        assert api.get(trial)["metadata"]["stopping/reason"] == "a client asked for it"
        events = api.get("/studies/s/events")["events"]
        assert [one["detail"] for one in events if one["kind"] == "TRIAL_STOPPING"] == ["a client asked for it"]

    def test_a_table_says_so(self, api):
        stopped(api, 0.1)
        whole(api, 0.5)
        text = api.client.get(f"{HERE}/studies/s:export?format=csv").text
        assert [row["stopped"] for row in csv.DictReader(io.StringIO(text))] == ["True", "False"]


def test_of_several_metrics_the_front_has_whole_trials_only(api, make_study):
    make_study(metrics=[{"metricId": "loss", "goal": "MINIMIZE"}, {"metricId": "size", "goal": "MINIMIZE"}])

    def run_one(loss, size, stop):
        trial = start(api)
        both = [{"metricId": "loss", "value": loss}, {"metricId": "size", "value": size}]
        api.post(f"{trial}:addTrialMeasurement", {"measurement": {"stepCount": 1, "metrics": both}})
        if stop:
            api.post(f"{trial}:stop")
        end(api, trial)

    run_one(0.1, 0.1, stop=True)
    assert optimal(api) == ["1"]
    run_one(0.5, 0.5, stop=False)
    run_one(0.4, 0.6, stop=False)
    assert optimal(api) == ["2", "3"]


def test_it_is_no_progress_of_the_study(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrialsNoProgress": 2})
    whole(api, 0.5)
    stopped(api, 0.1)
    assert api.get("/studies/s")["state"] == "ACTIVE"
    stopped(api, 0.05)
    assert api.get("/studies/s")["state"] == "COMPLETED"


def test_trials_that_the_end_of_a_study_stops_are_marked(api, make_study):
    make_study(studyStoppingConfig={"maxFailedTrials": 1, "shouldStopAsap": True})
    trial = start(api, "a")
    report(api, trial, 0.5, 1)
    end(api, start(api, "b"), trialInfeasible=True)
    assert api.get(trial)["state"] == "STOPPING"
    assert end(api, trial)["metadata"]["stopping/reason"] == "the study is over"
    assert api.get(trial)["stopped"] is True


class TestExecutions:
    """Stopping rules judge the first execution, or fold, of a trial: the curves of others do not continue it."""

    @pytest.fixture(autouse=True)
    def _five(self, api, make_study):
        make_study(**MEDIAN)
        for value in (0.3, 0.4, 0.4, 0.4, 0.5):
            run(api, [value] * 6)

    @pytest.mark.parametrize("together", [False, True])
    def test_a_later_execution_is_not_judged(self, api, together):
        trial = start(api)
        states = []
        for step in range(1, 13):
            body = {"measurement": measurement(0.35 if step <= 6 else 0.9, step), "execution": 0 if step <= 6 else 1}
            if together:
                reports = [{"trial": trial.rpartition("/")[2], **body}]
                states.append(api.post("/studies/s/trials:report", {"reports": reports})["trials"][0]["state"])
            else:
                states.append(api.post(f"{trial}:addTrialMeasurement", body)["state"])
        assert states == ["ACTIVE"] * 12
        assert len(api.get(trial)["measurements"]) == 12

    def test_nor_does_it_tell_what_others_are_compared_with(self, api):
        for _ in range(6):
            trial = start(api)
            for step in range(1, 7):
                body = {"measurement": measurement(0.01, step), "execution": 1}
                api.post(f"{trial}:addTrialMeasurement", body)
            end(api, trial)
        states, _ = run(api, [0.35] * 6)
        assert states == ["ACTIVE"] * 6
