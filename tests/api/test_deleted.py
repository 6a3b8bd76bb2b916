"""A deleted study is gone at once, can be restored as it was, and ends for good in time."""

from __future__ import annotations

import asyncio
import time

import pytest
import sqlalchemy as sa

from dodona_server.app import Options, create_app
from dodona_server.service.maintenance import clear_all
from dodona_server.settings import Settings
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.trials import leases
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient
from tests.support.patience import patience


def deleted(api):
    return api.get("/deletedStudies").get("deletedStudies", [])


def undelete(api, one, code=200, **body):
    return api.call("POST", f"/deletedStudies/{one['name'].rpartition('/')[2]}:undelete", body, code)


def query(api, text):
    """The first value that the database answers with."""
    return api.client.portal.call(api.client.app.state.store.read, lambda t: t.execute(sa.text(text)).scalar())


def wait_until(condition):
    deadline = time.monotonic() + patience(20)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def result(value):
    return {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": value}]}}


@pytest.fixture
def searched(api, make_study):
    """A study with a finished trial, one that runs on a lease, and a budget of time."""
    path = make_study(studyStoppingConfig={"maximumRuntimeConstraint": {"maxDuration": "36000s"}})
    api.suggest(leaseDuration="60s", heldTrials=[])
    api.post(f"{path}/trials/1:complete", result(1))
    api.suggest(leaseDuration="60s", heldTrials=[])
    return path


def test_a_deleted_study_is_gone_at_once(api, searched, spec):
    operation = api.post(f"{searched}/trials:suggest", {"clientId": "w", "suggestionCount": 1})["name"]
    api.delete(searched)
    running = f"{searched}/trials/2"
    for path in (searched, f"{searched}/trials", running, f"{searched}/events", f"{searched}/artifacts"):
        api.get(path, 404)
    for path in (f"{running}:heartbeat", f"{running}:complete", f"{searched}:resume"):
        api.refused(path, status="NOT_FOUND")
    api.refused(f"{searched}/trials:suggest", {"clientId": "w", "suggestionCount": 1}, "NOT_FOUND")
    api.refused("/studies:lookup", {"displayName": "s"}, "NOT_FOUND")
    assert api.get("/studies")["studies"] == []
    assert api.client.get(f"/v1/{operation}").status_code == 404
    assert "p/l/s<" not in api.client.get("/").text
    # Its names are free.
    assert api.post("/studies", {"studyId": "s", "studySpec": spec})["name"].endswith("/studies/s")
    assert api.get(f"{searched}/trials")["trials"] == []


def test_it_comes_back_as_it_was(api, searched):
    study, trials, events = api.get(searched), api.get(f"{searched}/trials"), api.get(f"{searched}/events")
    check_time = query(api, "SELECT check_time FROM studies")
    api.delete(searched)
    assert query(api, "SELECT check_time FROM studies") is None
    (one,) = deleted(api)
    assert (one["study"], one["displayName"], one["trialCount"]) == (f"{HERE[4:]}/studies/s", "s", "2")
    assert undelete(api, one) == study
    assert deleted(api) == []
    first, second = api.get(f"{searched}/trials")["trials"]
    assert [first, {**second, "leaseExpireTime": ""}] == [
        trials["trials"][0],
        {**trials["trials"][1], "leaseExpireTime": ""},
    ]
    assert api.get(f"{searched}/events") == events
    # The time of its budget is watched.
    assert query(api, "SELECT check_time FROM studies") == check_time
    # Its worker goes on.
    assert api.post(f"{searched}/trials/2:heartbeat")["state"] == "ACTIVE"
    api.post(f"{searched}/trials/2:complete", result(0))
    assert api.suggest()[0]["id"] == "3"
    undelete(api, one, 404)


def test_a_lease_that_ended_meanwhile_begins_again(api, searched):
    store, end = api.client.app.state.store, sa.text("UPDATE trials SET lease_expiry = 1 WHERE number = 2")
    api.delete(searched)
    api.client.portal.call(store.run, lambda t: t.execute(end).rowcount)
    wait_until(lambda: not api.client.portal.call(store.read, lambda t: leases.run_out(t, 9, lock=False)))
    undelete(api, *deleted(api))
    trial = api.get(f"{searched}/trials/2")
    assert trial["state"] == "ACTIVE"
    assert "leaseExpireTime" in trial


def test_of_two_with_one_name_the_older_needs_another(api, searched, spec):
    api.delete(searched)
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    (one,) = deleted(api)
    error = undelete(api, one, 409)["error"]
    assert error["status"] == "ALREADY_EXISTS"
    assert "has the name of the deleted study: choose another id" in error["message"]
    for _ in range(2):
        assert undelete(api, one, studyId="s-old", requestId="r")["displayName"] == "s-old"
    assert api.get("/studies/s-old/trials/1")["state"] == "SUCCEEDED"
    api.delete("/studies/s-old")
    assert [one["displayName"] for one in deleted(api)] == ["s-old"]


def test_it_is_purged_by_call_and_only_from_its_project(api, searched):
    api.delete(searched)
    (one,) = deleted(api)
    number = one["name"].rpartition("/")[2]
    other = f"/v1/projects/other/locations/l/deletedStudies/{number}"
    assert api.client.get("/v1/projects/other/locations/l/deletedStudies").json()["deletedStudies"] == []
    assert api.client.delete(other).status_code == 404
    assert api.client.post(f"{other}:undelete", json={}).status_code == 404
    api.delete(f"/deletedStudies/{number}")
    assert deleted(api) == []
    undelete(api, one, 404)
    api.delete("/deletedStudies/x", 400)
    wait_until(lambda: query(api, "SELECT count(*) FROM trials") == 0)


def test_it_ends_for_good_after_its_time_or_by_vacuum(database_url, spec):
    for kept, remaining in ((0, 0), (100, 1)):
        app = create_app(open_store(database_url), Options(kept_seconds=kept))
        with AppClient(app, base_url="http://localhost") as client:
            api = Api(client)
            api.post("/studies", {"studyId": "s", "studySpec": spec})
            api.delete("/studies/s")
            wait_until(lambda: query(api, "SELECT count(*) FROM studies") == remaining)  # noqa: B023
            assert len(deleted(api)) == remaining
    store = open_store(database_url)
    assert asyncio.run(clear_all(store)) == 1
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM studies")).scalar_one() == 0
    store.close()


def test_the_time_is_a_setting(monkeypatch):
    assert Settings().undelete_days == 7
    monkeypatch.setenv("DODONA_UNDELETE_DAYS", "0.5")
    assert Settings().undelete_days == 0.5
    monkeypatch.setenv("DODONA_UNDELETE_DAYS", "-1")
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Settings()


def test_the_page_lists_it_with_its_actions(api, searched):
    assert "There are no deleted studies" in api.client.get("/deleted").text
    api.delete(searched)
    page = api.client.get("/deleted").text
    assert "p/l/s<" in page
    assert "for 6 d 23 h" in page
    assert f'data-send="POST /v1/{deleted(api)[0]["name"]}:undelete"' in page
