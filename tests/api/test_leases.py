"""Leases: a trial whose worker is lost goes out again, and nothing is counted twice."""

from __future__ import annotations

import time

import pytest

from dodona_server.app import create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient

MEASUREMENT = {"metrics": [{"metricId": "loss", "value": 0.5}]}
LEASE = {"leaseDuration": "0.3s", "heldTrials": []}


def wait_until(api, state, trial="1", study="s"):
    """The trial, once maintenance has brought it into that state."""
    for _ in range(200):
        found = api.get(f"/studies/{study}/trials/{trial}")
        if found["state"] == state:
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {found}")


def events(api, study="s"):
    return [(event["kind"], event.get("trial")) for event in api.get(f"/studies/{study}/events")["events"]]


def report(api, value, step, attempt, code=200, **more):
    measurement = {"stepCount": str(step), "metrics": [{"metricId": "loss", "value": value}]}
    body = {"measurement": measurement, "attempt": attempt, **more}
    return api.post("/studies/s/trials/1:addTrialMeasurement", body, code)


def test_a_trial_on_a_lease_says_so(api, study):
    (trial,) = api.suggest(leaseDuration="60s")
    assert trial["attempt"] == 1
    assert trial["leaseDuration"] == "60.000s"
    assert trial["leaseExpireTime"] > trial["startTime"]
    (foreign,) = api.suggest(client="foreign")
    assert "leaseDuration" not in foreign


def test_a_lost_trial_goes_out_again_with_what_was_said_of_it(api, study):
    (first,) = api.suggest(client="a", **LEASE)
    for step in (1, 2):
        report(api, 0.5, step, 1, checkpoint=f"step-{step}.keras")
    wait_until(api, "REQUESTED")
    (again,) = api.suggest(client="b", **LEASE)
    assert (again["id"], again["attempt"], again["clientId"]) == ("1", 2, "b")
    assert again["parameters"] == first["parameters"]
    assert (again["lastStep"], again["checkpoint"]) == ("2", "step-2.keras")
    assert events(api)[1:5] == [
        ("TRIAL_ACTIVE", "1"),
        ("TRIAL_LOST", "1"),
        ("TRIAL_REQUESTED", "1"),
        ("TRIAL_ACTIVE", "1"),
    ]


@pytest.mark.parametrize("verb", ["report", "heartbeat"])
def test_signs_of_life_keep_the_trial(api, study, verb):
    api.suggest(client="a", leaseDuration="2.5s", heldTrials=[])
    for step in range(1, 13):
        time.sleep(0.3)
        if verb == "report":
            report(api, 0.1, step, 1)
        else:
            assert api.post("/studies/s/trials/1:heartbeat", {"attempt": 1})["state"] == "ACTIVE"
    assert "TRIAL_LOST" not in [kind for kind, _ in events(api)]


def test_a_late_report_gets_the_trial_back_if_nobody_took_it(api, study):
    api.suggest(client="a", **LEASE)
    wait_until(api, "REQUESTED")
    back = report(api, 0.5, 1, 1)
    assert (back["state"], back["clientId"], back["attempt"]) == ("ACTIVE", "a", 1)
    done = api.post("/studies/s/trials/1:complete", {"attempt": 1})
    assert done["state"] == "SUCCEEDED"


def test_a_late_completion_counts_if_nobody_took_the_trial(api, study):
    api.suggest(client="a", **LEASE)
    wait_until(api, "REQUESTED")
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 0.5}]}, "attempt": 1}
    done = api.post("/studies/s/trials/1:complete", final)
    assert (done["state"], done["clientId"]) == ("SUCCEEDED", "a")


def test_a_late_worker_is_refused_when_the_trial_was_handed_on(api, study):
    api.suggest(client="a", **LEASE)
    wait_until(api, "REQUESTED")
    api.suggest(client="b", leaseDuration="60s", heldTrials=[])
    for path, body in (
        (":addTrialMeasurement", {"measurement": {"metrics": [{"metricId": "loss", "value": 9}]}}),
        (":heartbeat", {}),
        (":complete", {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 9}]}}),
        (":complete", {"trialInfeasible": True}),
        (":release", {}),
    ):
        error = api.post(f"/studies/s/trials/1{path}", {**body, "attempt": 1}, 409)["error"]
        assert error["status"] == "ABORTED"
        assert "attempt 1 of" in error["message"]
        assert "in attempt 2 with 'b'" in error["message"]
    report(api, 0.25, 1, 2)
    done = api.post("/studies/s/trials/1:complete", {"attempt": 2})
    assert done["finalMeasurement"]["metrics"] == [{"metricId": "loss", "value": 0.25}]
    again = api.post("/studies/s/trials/1:complete", {"attempt": 2})
    assert again == done


def test_who_has_lost_a_finished_trial_hears_that_it_is_over(api, study):
    api.suggest(client="a", leaseDuration="60s", heldTrials=[])
    report(api, 0.5, 1, 1)
    api.post("/studies/s/trials/1:complete", {})
    error = report(api, 0.7, 2, 1, code=409)["error"]
    assert error["status"] == "ABORTED"
    assert "attempt 1 is over" in error["message"]


def test_a_trial_that_loses_every_worker_is_infeasible(api, make_study):
    make_study(maxAttempts=2)
    api.suggest(client="a", **LEASE)
    wait_until(api, "REQUESTED")
    api.suggest(client="b", **LEASE)
    lost = wait_until(api, "INFEASIBLE")
    assert lost["infeasibleReason"] == ("its worker was lost in 2 attempts, all that maxAttempts allows; at last b")
    assert report(api, 0.5, 1, 2, code=200)["state"] == "INFEASIBLE"
    error = api.post("/studies/s/trials/1:complete", {"attempt": 2}, 409)["error"]
    assert error["status"] == "ABORTED"


def test_a_worker_that_comes_back_under_its_name_begins_a_new_attempt(api, study):
    api.suggest(client="a", leaseDuration="60s", heldTrials=[])
    report(api, 0.5, 3, 1)
    (again,) = api.suggest(client="a", leaseDuration="60s", heldTrials=[])
    assert (again["id"], again["attempt"], again["lastStep"]) == ("1", 2, "3")
    (other,) = api.suggest(client="a", leaseDuration="60s", heldTrials=["1"])
    assert (other["id"], other["attempt"]) == ("2", 1)


def test_a_foreign_client_gets_its_trial_as_it_was(api, study):
    api.suggest(client="a")
    (again,) = api.suggest(client="a")
    assert (again["id"], again["attempt"]) == ("1", 1)


def test_released_trials_go_out_at_once_and_are_not_counted_as_lost(api, make_study):
    make_study(maxAttempts=1)
    for attempt, client in enumerate("abc", start=1):
        (trial,) = api.suggest(client=client, leaseDuration="60s", heldTrials=[])
        assert (trial["id"], trial["attempt"]) == ("1", attempt)
        released = api.post("/studies/s/trials/1:release", {"attempt": attempt})
        assert (released["state"], released["clientId"]) == ("REQUESTED", "")
    error = api.post("/studies/s/trials/1:heartbeat", {"attempt": 3}, 409)["error"]
    assert error["status"] == "ABORTED"


def test_a_trial_to_be_stopped_whose_worker_is_lost_ends_by_what_it_measured(api, study):
    api.suggest(client="a", **LEASE)
    report(api, 0.5, 1, 1)
    api.post("/studies/s/trials/1:stop")
    assert wait_until(api, "SUCCEEDED")["finalMeasurement"]["stepCount"] == "1"
    api.suggest(client="a", **LEASE)
    api.post("/studies/s/trials/2:stop")
    lost = wait_until(api, "INFEASIBLE", trial="2")
    assert lost["infeasibleReason"] == "it was stopped before it measured anything"


def test_an_attempt_that_goes_on_makes_one_curve_with_those_before(api, study):
    api.suggest(client="a", leaseDuration="60s", heldTrials=[])
    for step, value in ((1, 0.9), (2, 0.8), (3, 0.7)):
        report(api, value, step, 1)
    api.suggest(client="a", leaseDuration="60s", heldTrials=[])
    report(api, 0.75, 3, 2)
    report(api, 0.6, 4, 2)
    measured = api.get("/studies/s/trials/1")["measurements"]
    assert [(one["stepCount"], one["metrics"][0]["value"]) for one in measured] == [
        ("1", 0.9),
        ("2", 0.8),
        ("3", 0.75),
        ("4", 0.6),
    ]


def test_nobody_is_sent_home_while_a_leased_trial_may_come_back(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 1})
    api.suggest(client="a", leaseDuration="0.3s", heldTrials=[])
    body = {"clientId": "b", "suggestionCount": 1, "leaseDuration": "60s", "heldTrials": []}
    waiting = api.post("/studies/s/trials:suggest", body)["response"]
    assert (waiting["trials"], waiting["studyState"]) == ([], "ACTIVE")
    # A caller without a lease is Vertex's: it is told that nothing is left.
    foreign = api.post("/studies/s/trials:suggest", {"clientId": "c", "suggestionCount": 1})["response"]
    assert (foreign["trials"], foreign["studyState"]) == ([], "COMPLETED")
    rescued = api.post("/studies/s/trials:suggest", {**body, "wait": "30s"})["response"]
    assert [trial["id"] for trial in rescued["trials"]] == ["1"]
    report(api, 0.5, 1, 2)
    api.post("/studies/s/trials/1:complete", {"attempt": 2})
    done = api.post("/studies/s/trials:suggest", body)["response"]
    assert (done["trials"], done["studyState"]) == ([], "COMPLETED")


def test_a_trial_lost_after_the_study_is_over_waits_for_nobody(api, study):
    api.suggest(client="a", **LEASE)
    api.post("/studies/s:complete")
    assert wait_until(api, "INFEASIBLE")["infeasibleReason"] == "a was lost when the study was over"


@pytest.mark.parametrize("lease", ["0s", "-1s", "100000s"])
def test_a_lease_out_of_range_is_refused(api, study, lease):
    body = {"clientId": "a", "suggestionCount": 1, "leaseDuration": lease}
    assert "leaseDuration: " in api.refused("/studies/s/trials:suggest", body)


def test_who_is_alive_keeps_the_trial_through_an_outage_longer_than_the_lease(database_url, spec):
    def serve():
        return AppClient(create_app(open_store(database_url)), base_url="http://localhost")

    with serve() as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        api.suggest(client="a", leaseDuration="2s", heldTrials=[])
    time.sleep(2.5)
    with serve() as client:
        api = Api(client)
        time.sleep(0.3)
        assert api.suggest(client="b", leaseDuration="60s", heldTrials=[])[0]["id"] == "2"
        assert report(api, 0.5, 1, 1)["clientId"] == "a"


def test_a_client_that_does_not_tell_what_it_holds_may_have_a_lease_too(api, study):
    api.suggest(client="a", leaseDuration="60s")
    (again,) = api.suggest(client="a", leaseDuration="120s")
    assert (again["attempt"], again["leaseDuration"]) == (1, "120.000s")
    assert again["leaseExpireTime"] > again["startTime"]
    assert api.get("/studies/s/trials/1")["leaseDuration"] == "120.000s"


def test_a_call_that_is_sent_again_hands_out_nothing_that_somebody_else_runs_by_now(api, study):
    ask = {"clientId": "a", "suggestionCount": 1, "requestId": "once", **LEASE}
    (first,) = api.post("/studies/s/trials:suggest", ask)["response"]["trials"]
    (again,) = api.post("/studies/s/trials:suggest", ask)["response"]["trials"]
    assert (again["id"], again["attempt"]) == (first["id"], first["attempt"])
    wait_until(api, "REQUESTED")
    assert api.post("/studies/s/trials:suggest", ask)["response"]["trials"] == [], "nobody has it"
    (taken,) = api.suggest(client="b", leaseDuration="60s", heldTrials=[])
    assert (taken["id"], taken["attempt"]) == ("1", 2)
    answer = api.post("/studies/s/trials:suggest", ask)["response"]
    assert (answer["trials"], answer["studyState"]) == ([], "ACTIVE"), "it is with b"


def test_a_call_that_is_sent_again_does_not_begin_an_attempt_of_another_call(api, study):
    ask = {"clientId": "a", "suggestionCount": 1, "leaseDuration": "60s", "heldTrials": []}
    api.post("/studies/s/trials:suggest", {**ask, "requestId": "of the first process"})
    (second,) = api.post("/studies/s/trials:suggest", {**ask, "requestId": "of the second"})["response"]["trials"]
    assert second["attempt"] == 2
    late = api.post("/studies/s/trials:suggest", {**ask, "requestId": "of the first process"})["response"]
    assert late["trials"] == []


@pytest.mark.parametrize("call", ["addTrialMeasurement", "heartbeat", "release", "complete", "report"])
def test_a_worker_of_a_deleted_study_says_nothing_of_one_that_was_made_anew(api, make_study, call):
    make_study()
    (old,) = api.suggest(client="old", leaseDuration="60s", heldTrials=[])
    api.delete("/studies/s")
    make_study()
    (new,) = api.suggest(client="new", leaseDuration="60s", heldTrials=[])
    assert (old["id"], old["attempt"]) == (new["id"], new["attempt"])
    measurement = {"stepCount": "1", "metrics": [{"metricId": "loss", "value": 0.5}]}
    body = {"attempt": 1, "clientId": "old"}
    if call == "report":
        path, body = "/studies/s/trials:report", {"reports": [{"trial": "1", "measurement": measurement, **body}]}
    else:
        field = "finalMeasurement" if call == "complete" else "measurement"
        path, body = f"/studies/s/trials/1:{call}", {**body, field: measurement}
    error = api.post(path, body, 409)["error"]
    assert "attempt 1 of projects/p/locations/l/studies/s/trials/1 was lost" in error["message"]
    kept = api.get("/studies/s/trials/1")
    assert (kept["state"], kept["clientId"], kept["measurements"]) == ("ACTIVE", "new", [])
    report(api, 0.25, 1, 1, clientId="new")


def test_a_worker_that_was_thought_lost_is_known_by_its_id(api, study):
    api.suggest(client="a", **LEASE)
    wait_until(api, "REQUESTED")
    assert report(api, 0.5, 1, 1, code=409, clientId="b")["error"]["status"] == "ABORTED"
    assert report(api, 0.5, 1, 1, clientId="a")["state"] == "ACTIVE"


def test_a_call_that_follows_gets_the_clients_trials_and_hands_out_none(api, study):
    api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]})
    assert api.suggest(follow=True) == []
    (run,) = api.suggest(leaseDuration="60s", heldTrials=[])
    (followed,) = api.suggest(follow=True)
    for field in ("id", "attempt", "clientId", "startTime", "leaseDuration"):
        assert followed[field] == run[field]
    api.post(f"{study}/trials/{run['id']}:stop")
    (stopping,) = api.suggest(follow=True)
    assert (stopping["id"], stopping["state"]) == (run["id"], "STOPPING")
    api.post(f"{study}/trials/{run['id']}:complete", {"finalMeasurement": MEASUREMENT})
    assert api.suggest(follow=True) == []
    assert len(api.get(f"{study}/trials")["trials"]) == 1


def test_a_call_that_follows_ends_with_the_study_or_when_its_worker_is_stopped(api, make_study):
    path = make_study(studyStoppingConfig={"maxNumTrials": 1})
    (run,) = api.suggest(leaseDuration="60s", heldTrials=[])
    api.post(f"{path}/workers:stop", {"clientId": "w"})
    follow = {"clientId": "w", "suggestionCount": 1, "follow": True}
    answer = api.post(f"{path}/trials:suggest", follow)["response"]
    assert ([one["id"] for one in answer["trials"]], answer.get("workerStopped", False)) == ([run["id"]], False)
    api.post(f"{path}/trials/{run['id']}:complete", {"finalMeasurement": MEASUREMENT})
    answer = api.post(f"{path}/trials:suggest", follow)["response"]
    assert (answer["trials"], answer["workerStopped"]) == ([], True)
    api.post(f"{path}/workers:resume", {"clientId": "w"})
    answer = api.post(f"{path}/trials:suggest", follow)["response"]
    assert (answer["trials"], answer["studyState"]) == ([], "COMPLETED")
