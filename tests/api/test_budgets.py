"""The end of a study: every field of studyStoppingConfig is acted on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from dodona_server.app import create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient


def run_trial(api, loss=0.5, *, fails=False):
    """Asks for a trial and ends it; False if there was none."""
    handed = api.suggest()
    if not handed:
        return False
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": loss}]}}
    api.post(f"/studies/s/trials/{handed[0]['id']}:complete", {"trialInfeasible": True} if fails else final)
    return True


def ending(api):
    """Why the study was completed; None if it was not."""
    if api.get("/studies/s")["state"] != "COMPLETED":
        return None
    done = [event for event in api.get("/studies/s/events")["events"] if event["kind"] == "STUDY_COMPLETED"]
    assert len(done) == 1
    return done[0]["detail"]


def wait_for_end(api):
    for _ in range(200):
        if reason := ending(api):
            return reason
        time.sleep(0.05)
    raise AssertionError("the study goes on")


def test_failed_trials(api, make_study):
    make_study(studyStoppingConfig={"maxFailedTrials": 2})
    assert run_trial(api, fails=True)
    assert run_trial(api)
    assert ending(api) is None
    assert run_trial(api, fails=True)
    assert ending(api) == "2 trials are infeasible (maxFailedTrials)"
    assert not run_trial(api)


def test_trials_that_a_worker_has_lost_count_one_by_one_and_end_the_study(api, make_study):
    make_study(studyStoppingConfig={"maxFailedTrials": 2}, maxAttempts=1)
    body = {"clientId": "w", "suggestionCount": 2, "heldTrials": []}
    assert len(api.post("/studies/s/trials:suggest", body)["response"]["trials"]) == 2
    answer = api.post("/studies/s/trials:suggest", body)["response"]
    assert (answer["trials"], answer["studyState"]) == ([], "COMPLETED")
    assert ending(api) == "2 trials are infeasible (maxFailedTrials)"


def test_the_last_trial_that_a_worker_has_lost_ends_the_study_once(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 1}, maxAttempts=1)
    body = {"clientId": "w", "suggestionCount": 1, "heldTrials": []}
    api.post("/studies/s/trials:suggest", body)
    assert api.post("/studies/s/trials:suggest", body)["response"]["trials"] == []
    assert ending(api) == "the budget is used up"


@pytest.mark.parametrize(("goal", "values"), [("MINIMIZE", [5, 6, 4, 4, 9]), ("MAXIMIZE", [5, 4, 6, 6, 1])])
def test_trials_without_progress(api, make_study, goal, values):
    metrics = [{"metricId": "loss", "goal": goal}]
    make_study(metrics=metrics, studyStoppingConfig={"maxNumTrialsNoProgress": 2})
    for value in values:
        assert ending(api) is None
        assert run_trial(api, value)
    assert ending(api) == "2 trials brought nothing better (maxNumTrialsNoProgress)"


def test_time_without_progress(api, make_study):
    make_study(studyStoppingConfig={"maxDurationNoProgress": "0.5s"})
    run_trial(api)
    assert wait_for_end(api).startswith("nothing better was found in ")


def test_time(api, make_study):
    make_study(studyStoppingConfig={"maximumRuntimeConstraint": {"maxDuration": "0.2s"}})
    # Nobody asks: the server itself looks at the clock.
    assert wait_for_end(api) == "the study's time is over (maximumRuntimeConstraint)"
    assert "maximumRuntimeConstraint" in api.refused("/studies/s:resume", status="FAILED_PRECONDITION")


def test_a_moment(api, make_study):
    make_study(studyStoppingConfig={"maximumRuntimeConstraint": {"endTime": "2020-01-01T00:00:00Z"}})
    assert api.suggest() == []
    assert ending(api) is not None


def test_minimums_hold_the_end_back(api, make_study):
    config = {"maxFailedTrials": 1, "minNumTrials": 3, "maximumRuntimeConstraint": {"maxDuration": "0.1s"}}
    make_study(studyStoppingConfig=config)
    for _ in range(3):
        assert ending(api) is None
        assert run_trial(api, fails=True)
    assert ending(api) is not None


def test_a_minimum_of_time_holds_the_end_back(api, make_study):
    config = {"maxFailedTrials": 1, "minimumRuntimeConstraint": {"maxDuration": "3600s"}}
    make_study(studyStoppingConfig=config)
    assert run_trial(api, fails=True)
    assert run_trial(api, fails=True)
    assert ending(api) is None


@pytest.mark.parametrize(("asap", "state"), [(True, "STOPPING"), (False, "ACTIVE")])
def test_running_trials_are_stopped_or_may_finish(api, make_study, asap, state):
    make_study(studyStoppingConfig={"maxFailedTrials": 1, "shouldStopAsap": asap})
    api.suggest(client="other")
    run_trial(api, fails=True)
    assert api.get("/studies/s/trials/1")["state"] == state
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    assert api.post("/studies/s/trials/1:complete", final)["state"] == "SUCCEEDED"


def test_trials_that_were_run_elsewhere_count(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrialsNoProgress": 1})
    for value in (0.1, 0.2):
        done = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": value}]}, "state": "SUCCEEDED"}
        api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.5}], **done})
    assert ending(api) is not None


def test_a_budget_of_trials_may_grow_and_the_study_goes_on(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 1})
    assert run_trial(api)
    assert ending(api) is not None
    study = api.post("/studies/s:setMaxTrials", {"maxNumTrials": 3})
    assert (study["state"], study["studySpec"]["studyStoppingConfig"]["maxNumTrials"]) == ("ACTIVE", 3)
    assert run_trial(api)
    assert run_trial(api)
    assert api.suggest() == []
    assert api.get("/studies/s")["state"] == "COMPLETED"


def test_a_budget_of_trials_may_shrink_and_the_study_ends_with_what_runs(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 9})
    assert run_trial(api)
    (running,) = api.suggest()
    assert api.post("/studies/s:setMaxTrials", {"maxNumTrials": 1})["state"] == "ACTIVE"
    assert api.suggest(client="other") == []
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    api.post(f"/studies/s/trials/{running['id']}:complete", final)
    assert api.get("/studies/s")["state"] == "COMPLETED"


@pytest.mark.parametrize("count", [0, -1, None])
def test_a_budget_of_trials_is_positive(api, make_study, count):
    make_study()
    assert "maxNumTrials" in api.post("/studies/s:setMaxTrials", {"maxNumTrials": count}, 400)["error"]["message"]


def test_a_grown_budget_of_trials_does_not_undo_another_limit(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 5, "maxFailedTrials": 1})
    assert run_trial(api, fails=True)
    assert ending(api) is not None
    refused = api.post("/studies/s:setMaxTrials", {"maxNumTrials": 6}, 400)["error"]
    assert refused["status"] == "FAILED_PRECONDITION"
    assert api.get("/studies/s")["studySpec"]["studyStoppingConfig"]["maxNumTrials"] == 5


def test_a_study_whose_budget_was_used_up_while_it_was_paused_is_over_when_it_is_resumed(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 1})
    api.suggest()
    api.post("/studies/s:pause")
    api.post("/studies/s/trials/1:complete", {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}})
    assert api.post("/studies/s:resume")["state"] == "COMPLETED"
    assert ending(api) == "the budget is used up"


def test_a_queued_trial_that_is_held_at_this_moment_is_waited_for(postgres_url, spec):
    with AppClient(create_app(open_store(postgres_url)), base_url="http://localhost") as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, "studyStoppingConfig": {"maxNumTrials": 1}}})
        api.suggest()
        api.post("/studies/s/trials/1:release")
        engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
        with engine.begin() as other:
            other.execute(sa.text("SELECT 1 FROM trials WHERE number = 1 FOR UPDATE"))
            answer = api.post("/studies/s/trials:suggest", {"clientId": "w", "suggestionCount": 1})["response"]
        engine.dispose()
        assert (answer["trials"], answer["studyState"]) == ([], "ACTIVE")
        assert [trial["id"] for trial in api.suggest()] == ["1"]


def test_servers_that_end_the_last_trials_at_once_do_not_wait_for_each_other(postgres_url, spec):
    count, workers = 40, 8
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    with ExitStack() as stack:
        servers = [
            Api(stack.enter_context(AppClient(create_app(open_store(postgres_url)), base_url="http://localhost")))
            for _ in range(2)
        ]
        servers[0].post(
            "/studies", {"studyId": "s", "studySpec": {**spec, "studyStoppingConfig": {"maxNumTrials": count}}}
        )
        numbers = [trial["id"] for trial in servers[0].suggest(count=count)]
        with ThreadPoolExecutor(workers) as threads:
            ends = threads.map(
                lambda number: servers[int(number) % 2].post(f"/studies/s/trials/{number}:complete", final), numbers
            )
        assert [trial["state"] for trial in ends] == ["SUCCEEDED"] * count
        assert servers[1].get("/studies/s")["state"] == "COMPLETED"
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        statistics = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert connection.execute(statistics).scalar_one() == 0
    engine.dispose()
