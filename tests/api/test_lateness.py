"""A trial that can hardly end before the study's time is over is not begun."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from dodona_server.app import Options, create_app
from dodona_server.domain.studies.time_left import TOO_LATE
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient

HOUR = 3600


def end(api, trial):
    loss = trial["parameters"][0]["value"]
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": loss}]}}
    return api.post(f"/studies/s/trials/{trial['id']}:complete", final)


def run(api, count):
    for trial in api.suggest(count=count):
        end(api, trial)


def take(api, seconds):
    """Let all finished trials have taken this time, an SQL expression in seconds."""
    store = api.client.app.state.store
    longer = sa.text(f"UPDATE trials SET start_time = end_time - ({seconds}) WHERE end_time IS NOT NULL")
    api.client.portal.call(store.run, lambda transaction: transaction.execute(longer).rowcount)


def limit(api, seconds, **more):
    budget = {"maximumRuntimeConstraint": {"maxDuration": f"{seconds}s"}, **more}
    return api.post("/studies/s:setBudget", {"studyStoppingConfig": budget})


def ask(api, **more):
    return api.post("/studies/s/trials:suggest", {"clientId": "w", "suggestionCount": 1, **more})["response"]


@pytest.fixture
def searched(api, make_study):
    """A study of five trials that took two hours each."""
    make_study()
    run(api, 5)
    take(api, 2 * HOUR)


def test_the_study_ends_if_no_trial_can_end_in_time(api, searched):
    limit(api, HOUR)
    answer = ask(api)
    assert (answer["trials"], answer["studyState"]) == ([], "COMPLETED")
    study = api.get("/studies/s")
    assert (study["state"], study["completionReason"]) == ("COMPLETED", TOO_LATE)
    events = api.get("/studies/s/events")["events"]
    assert [event["detail"] for event in events if event["kind"] == "STUDY_COMPLETED"] == [TOO_LATE]


def test_trials_are_begun_while_there_is_time(api, searched):
    limit(api, 3 * HOUR)
    assert len(ask(api)["trials"]) == 1


def test_few_durations_refuse_nothing(api, make_study):
    make_study()
    run(api, 4)
    take(api, 2 * HOUR)
    limit(api, HOUR)
    assert len(ask(api)["trials"]) == 1


def test_trials_that_were_created_with_a_result_have_no_duration(api, make_study):
    make_study()
    for value in range(5):
        done = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": value}]}, "state": "SUCCEEDED"}
        api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.5}], **done})
    limit(api, HOUR)
    assert len(ask(api)["trials"]) == 1


def test_a_quarter_of_short_trials_is_enough_to_begin(api, make_study):
    make_study()
    run(api, 8)
    take(api, f"CASE WHEN number <= 3 THEN 60 ELSE {2 * HOUR} END")
    limit(api, HOUR)
    assert len(ask(api)["trials"]) == 1


def test_what_runs_goes_on_and_counts(api, searched):
    (running,) = api.suggest(client="other")
    limit(api, HOUR)
    answer = ask(api)
    assert (answer["trials"], answer["studyState"]) == ([], "COMPLETED")
    assert api.get("/studies/s")["state"] == "ACTIVE"
    assert end(api, running)["state"] == "SUCCEEDED"
    take(api, 2 * HOUR)
    assert ask(api)["trials"] == []
    assert api.get("/studies/s")["completionReason"] == TOO_LATE


def test_a_worker_with_a_lease_waits_for_what_others_run(api, searched):
    api.suggest(client="other", leaseDuration="60s")
    limit(api, HOUR)
    answer = ask(api, leaseDuration="60s")
    assert (answer["trials"], answer["studyState"]) == ([], "ACTIVE")
    api.post("/studies/s/trials/6:release")
    assert [trial["id"] for trial in ask(api, leaseDuration="60s")["trials"]] == ["6"]


def test_queued_trials_are_handed_out(api, searched):
    limit(api, HOUR)
    api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.25}]})
    assert [trial["id"] for trial in ask(api)["trials"]] == ["6"]
    assert ask(api)["trials"][0]["id"] == "6"
    assert api.suggest(client="other") == []


def test_a_minimum_of_trials_counts_more_than_the_time(api, searched):
    limit(api, HOUR, minNumTrials=6)
    assert len(ask(api)["trials"]) == 1


def test_a_minimum_of_time_delays_the_end(api, searched):
    limit(api, HOUR, minimumRuntimeConstraint={"maxDuration": f"{3 * HOUR}s"})
    assert len(ask(api)["trials"]) == 1


def test_more_time_continues_the_study(api, searched):
    limit(api, HOUR)
    assert ask(api)["trials"] == []
    assert limit(api, HOUR, maxFailedTrials=9)["state"] == "COMPLETED"
    assert limit(api, 3 * HOUR)["state"] == "ACTIVE"
    assert len(ask(api)["trials"]) == 1


@pytest.mark.processes
def test_the_bandit_chooses_what_can_end_in_time(database_url, spec):
    def served():
        return AppClient(
            create_app(open_store(database_url), Options(fitting_processes=1, deadline_seconds=60.0)),
            base_url="http://localhost",
        )

    with served() as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, "algorithm": "GP_BANDIT"}})
        for index in range(12):
            x = index / 11
            api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": x}]})
            (trial,) = api.suggest()
            # Long trials are the best ones.
            final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": -x}]}}
            api.post(f"/studies/s/trials/{trial['id']}:complete", final)
        take(api, "CASE WHEN number <= 6 THEN 60 ELSE 7200 END")
        limit(api, HOUR / 2)
    # A server that has not yet read the trials.
    with served() as client:
        api = Api(client)
        (trial,) = api.suggest()
        assert trial["parameters"][0]["value"] < 0.6
        limit(api, 15)
        assert ask(api, clientId="other")["trials"] == []
