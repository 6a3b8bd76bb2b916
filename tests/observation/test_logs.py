"""Request ids in answers, errors and logs; logs as JSON; access logs of the calls that are asked for."""

from __future__ import annotations

import json
import re

import httpx
import pytest

import dodona
from tests.support.processes import ServerProcess

STUDIES = "/v1/projects/default/locations/local/studies"


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(**variables):
        started.append(ServerProcess(tmp_path, **variables).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


def run_a_trial(server):
    with dodona.Client(server.url) as client:
        study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm="RANDOM_SEARCH")
        with study.ask() as trial:
            trial.complete(1.0)


def entries(server):
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_json_logs_have_the_ids_of_requests(serve):
    server = serve(DODONA_LOG_FORMAT="json", DODONA_ACCESS_LOG="most")
    run_a_trial(server)
    headers = {"X-Request-Id": "mine-1"}
    missing = httpx.get(f"{server.url}{STUDIES}/nobody", headers=headers)
    assert missing.headers["x-request-id"] == "mine-1"
    (detail,) = missing.json()["error"]["details"]
    assert detail == {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "mine-1"}
    made = httpx.get(f"{server.url}/healthz", headers={"X-Request-Id": 'x" y'}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", made)
    server.stop()
    found = entries(server)
    assert all({"time", "level", "logger", "message"} <= set(entry) for entry in found)
    accesses = [entry for entry in found if entry["logger"] == "dodona.access"]
    (entry,) = [entry for entry in accesses if entry["request_id"] == "mine-1"]
    assert (entry["method"], entry["path"], entry["code"]) == ("GET", f"{STUDIES}/nobody", 404)
    assert entry["seconds"] > 0
    assert not any(entry["path"].endswith((":suggest", ":complete", "/healthz")) for entry in accesses)
    assert any(entry["path"] == STUDIES for entry in accesses)


@pytest.mark.parametrize(("setting", "logged"), [("all", True), ("", False)])
def test_the_trial_loop_is_logged_only_on_demand(serve, setting, logged):
    server = serve(DODONA_ACCESS_LOG=setting)
    run_a_trial(server)
    server.stop()
    text = server.log.read_text()
    assert (":complete" in text) is logged
    assert (f"POST {STUDIES} 200" in text) is logged
