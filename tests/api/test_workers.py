"""Workers: who asks for trials, and how one of them is asked to stop."""

from __future__ import annotations

import pytest

LEASE = {"leaseDuration": "60s", "heldTrials": []}


def workers(api, study="/studies/s"):
    return {one["clientId"]: one for one in api.get(f"{study}/workers")["workers"]}


def complete(api, trial, **body):
    return api.post(f"/studies/s/trials/{trial}:complete", body)


def test_a_worker_is_known_by_what_it_has_done(api, study):
    api.suggest(client="a", agent="dodona/0.1.0 host", **LEASE)
    (running,) = workers(api).values()
    assert (running["state"], running["agent"]) == ("RUNNING", "dodona/0.1.0 host")
    assert [one["trial"].rpartition("/")[2] for one in running["running"]] == ["1"]
    complete(api, 1, finalMeasurement={"metrics": [{"metricId": "loss", "value": 1}]})
    api.suggest(client="a", **LEASE)
    complete(api, 2, trialInfeasible=True)
    done = workers(api)["a"]
    assert (done["state"], done["finishedTrials"], done["failedTrials"], done["running"]) == ("WAITING", "1", "1", [])
    assert done["busySeconds"] >= 0


def test_a_lost_attempt_is_time_of_its_worker_but_no_trial(api, study):
    api.suggest(client="a", **LEASE)
    api.post("/studies/s/trials/1:release", {"attempt": 1})
    assert (workers(api)["a"]["finishedTrials"], workers(api)["a"]["failedTrials"]) == ("0", "0")


def test_workers_of_all_studies_are_listed_in_pages(api, study):
    for client in "abc":
        api.suggest(client=client, **LEASE)
    first = api.get("/workers?pageSize=2")
    rest = api.get(f"/workers?pageSize=2&pageToken={first['nextPageToken']}")
    assert {one["clientId"] for one in first["workers"] + rest["workers"]} == {"a", "b", "c"}
    assert rest["nextPageToken"] == ""
    assert len(api.get("/workers?alive=true")["workers"]) == 3


def test_a_worker_that_is_to_stop_ends_its_trial_and_gets_no_other(api, study):
    api.suggest(client="a", **LEASE)
    stopped = api.post("/studies/s/workers:stop", {"clientId": "a"})
    assert (stopped["state"], len(stopped["running"])) == ("STOPPING", 1)
    complete(api, 1, attempt=1, finalMeasurement={"metrics": [{"metricId": "loss", "value": 1}]})
    assert workers(api)["a"]["state"] == "STOPPING"
    answer = api.post("/studies/s/trials:suggest", {"clientId": "a", "suggestionCount": 1, **LEASE})["response"]
    assert (answer["trials"], answer["studyState"], answer["workerStopped"]) == ([], "COMPLETED", True)
    assert workers(api)["a"]["state"] == "STOPPED"
    assert api.get("/studies/s")["state"] == "ACTIVE"
    assert api.suggest(client="b", **LEASE)


def test_a_worker_that_is_to_stop_now_gives_its_trial_back(api, study):
    api.suggest(client="a", **LEASE)
    measurement = {"stepCount": 1, "metrics": [{"metricId": "loss", "value": 1}]}
    body = {"measurement": measurement, "attempt": 1, "clientId": "a", "checkpoint": "there"}
    api.post("/studies/s/trials/1:addTrialMeasurement", body)
    assert api.post("/studies/s/workers:stop", {"clientId": "a", "now": True})["running"] == []
    assert api.get("/studies/s/trials/1")["state"] == "REQUESTED"
    later = {**body, "measurement": {**measurement, "stepCount": 2}}
    assert api.post("/studies/s/trials/1:addTrialMeasurement", later, 409)["error"]["status"] == "ABORTED"
    assert api.post("/studies/s/trials/1:heartbeat", {"attempt": 1}, 409)["error"]["status"] == "ABORTED"
    (again,) = api.suggest(client="b", **LEASE)
    assert (again["id"], again["attempt"], again["checkpoint"]) == ("1", 2, "there")


def test_a_stopped_worker_may_work_again(api, study):
    api.suggest(client="a", **LEASE)
    complete(api, 1, trialInfeasible=True)
    api.post("/studies/s/workers:stop", {"clientId": "a", "requestId": "x"})
    assert api.suggest(client="a", **LEASE) == []
    assert api.post("/studies/s/workers:resume", {"clientId": "a"})["state"] == "WAITING"
    # The repeated call changes nothing.
    api.post("/studies/s/workers:stop", {"clientId": "a", "requestId": "x"})
    assert len(api.suggest(client="a", **LEASE)) == 1
    kinds = [one["kind"] for one in api.get("/studies/s/events")["events"]]
    assert [kind for kind in kinds if kind.startswith("WORKER")] == ["WORKER_STOPPED", "WORKER_RESUMED"]


@pytest.mark.parametrize("verb", ["stop", "resume"])
def test_an_unknown_worker_is_named(api, study, verb):
    assert "clientId 'nobody'" in api.refused(f"/studies/s/workers:{verb}", {"clientId": "nobody"}, "NOT_FOUND")


def test_workers_go_with_their_study(api, study):
    api.suggest(client="a", **LEASE)
    api.delete("/studies/s")
    assert api.get("/workers")["workers"] == []
