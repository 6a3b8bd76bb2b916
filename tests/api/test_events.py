"""The change feed: in order, without gaps, in pages and as a stream."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

import dodona
from tests.api.conftest import HERE
from tests.support.patience import patience


def kinds(api, after=0):
    return [(event["kind"], event.get("trial")) for event in api.get(f"/studies/s/events?after={after}")["events"]]


def test_all_that_happens_is_told_in_order(api, spec):
    api.post("/studies", {"studyId": "s", "studySpec": {**spec, "studyStoppingConfig": {"maxNumTrials": 3}}})
    api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0}]})
    api.suggest(count=3)
    api.post("/studies/s/trials/1:stop")
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    api.post("/studies/s/trials/1:complete", final)
    api.post("/studies/s/trials/1:complete", final)  # a repeat is no event
    api.post("/studies/s/trials/2:complete", {"trialInfeasible": True, "infeasibleReason": "oom"})
    api.post("/studies/s:pause", {"reason": "lunch"})
    api.post("/studies/s:resume")
    api.post("/studies/s:addParameters", {"parameters": [{"parameterId": "y", "integerValueSpec": {"maxValue": 1}}]})
    api.post("/studies/s/trials/3:complete", final)
    api.delete("/studies/s/trials/1")
    expected = [
        ("STUDY_CREATED", None),
        ("TRIAL_REQUESTED", "1"),
        ("TRIAL_ACTIVE", "1"),
        ("TRIAL_ACTIVE", "2"),
        ("TRIAL_ACTIVE", "3"),
        ("TRIAL_STOPPING", "1"),
        ("TRIAL_SUCCEEDED", "1"),
        ("TRIAL_INFEASIBLE", "2"),
        ("STUDY_PAUSED", None),
        ("STUDY_RESUMED", None),
        ("PARAMETERS_ADDED", None),
        ("TRIAL_SUCCEEDED", "3"),
        ("STUDY_COMPLETED", None),
        ("TRIAL_DELETED", "1"),
    ]
    assert kinds(api) == expected
    assert kinds(api, after=12) == expected[12:]
    events = api.get("/studies/s/events?after=6&pageSize=2")["events"]
    assert [event["number"] for event in events] == ["7", "8"]
    assert events[1]["detail"] == "oom"
    assert "studies/none does not exist" in api.get("/studies/none/events", 404)["error"]["message"]
    assert "after: " in api.get("/studies/s/events?after=-1", 400)["error"]["message"]


def test_a_reader_misses_nothing_while_many_write(api, study):
    def work(worker):
        for _ in range(5):
            trial = api.suggest(client=f"w{worker}")[0]["id"]
            api.post(f"{study}/trials/{trial}:complete", {"trialInfeasible": True})

    seen = []

    def read():
        seen.extend(api.get(f"{study}/events?after={len(seen)}")["events"])

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(work, worker) for worker in range(4)]
        while not all(future.done() for future in running):
            read()
    read()
    assert [event["number"] for event in seen] == [str(number) for number in range(1, len(seen) + 1)]
    assert sum(event["kind"] == "TRIAL_ACTIVE" for event in seen) == 20
    assert sum(event["kind"] == "TRIAL_INFEASIBLE" for event in seen) == 20


def test_a_stream_tells_what_happens_while_it_happens(server):
    url = f"{server.url}/v1/projects/default/locations/local/studies/s/events"
    study = dodona.Client(server.url).create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
    threading.Timer(0.5, lambda: study.ask().complete(1.0)).start()
    told = []
    headers = {"accept": "text/event-stream", "last-event-id": "1"}
    with httpx.stream("GET", url, headers=headers, timeout=patience(30)) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
            if len(told) == 2:
                break
    assert [(event["number"], event["kind"]) for event in told] == [("2", "TRIAL_ACTIVE"), ("3", "TRIAL_SUCCEEDED")]


def test_a_stream_and_a_waiting_call_do_not_keep_the_server_from_stopping(server):
    base = f"{server.url}/v1/projects/default/locations/local/studies/s"
    dodona.Client(server.url).create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
    httpx.post(f"{base}:pause")
    with ThreadPoolExecutor(2) as threads:
        body = {"clientId": "w", "suggestionCount": 1, "wait": "30s"}
        waiting = threads.submit(httpx.post, f"{base}/trials:suggest", json=body, timeout=patience(60))
        streaming = threads.submit(
            httpx.get, f"{base}/events", headers={"accept": "text/event-stream"}, timeout=patience(60)
        )
        time.sleep(patience(0.7))  # both are under way
        assert not waiting.done()
        assert server.terminate() == 0
        assert waiting.result().json()["response"]["studyState"] == "INACTIVE"
        assert "STUDY_PAUSED" in streaming.result().text


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30])
def test_a_stream_goes_on_from_a_number_only(api, study, last):
    headers = {"accept": "text/event-stream", "last-event-id": last}
    response = api.client.get(f"{HERE}{study}/events", headers=headers)
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_an_event_of_a_newer_server_is_shown_as_it_is(api, study):
    insert = sa.text("INSERT INTO events (study_key, time, kind, detail) VALUES (1, 1.0, 'SOMETHING_NEW', 'what')")
    api.client.portal.call(api.client.app.state.store.run, lambda t: t.execute(insert).rowcount)
    created, newer = api.get(f"{study}/events")["events"]
    assert (created["kind"], newer["kind"], newer["detail"]) == ("STUDY_CREATED", "SOMETHING_NEW", "what")
    assert api.client.get("/studies/p/l/s").status_code == 200
