"""/metrics counts what happens, with few time series, and over all processes of a server."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import dodona
from dodona_server.app import Options, create_app
from dodona_server.observation import metrics
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient
from tests.support.patience import patience
from tests.support.processes import SERVE, ServerProcess

FINAL = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
SPEC = {
    "algorithm": "RANDOM_SEARCH",
    "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
    "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
}


@pytest.fixture
def api(database_url, monkeypatch):
    monkeypatch.setattr("dodona_server.service.gauges.KEPT_SECONDS", 0.0)
    app = create_app(open_store(database_url))
    with AppClient(app, base_url="http://localhost") as client:
        yield Api(client)


def samples(text):
    """The values by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def difference(before, after):
    return {name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name, 0.0)}


def counted(changed, name, **labels):
    return changed.get((name, *sorted(labels.items())), 0.0)


def test_what_happens_is_counted(api):
    before = samples(api.client.get("/metrics").text)
    api.post("/studies", {"studyId": "secret-name", "studySpec": SPEC})
    for value in range(3):
        (trial,) = api.suggest("secret-name")
        path = f"/studies/secret-name/trials/{trial['id']}:complete"
        api.post(path, FINAL if value else {"trialInfeasible": True})
    api.suggest("secret-name")
    api.post("/studies/secret-name/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]})
    api.get("/studies/nobody", 404)
    answer = api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "secret-name" not in answer.text
    after = samples(answer.text)
    changed = difference(before, after)
    assert counted(changed, "dodona_trials_created_total") == 5
    assert counted(changed, "dodona_trials_completed_total") == 2
    assert counted(changed, "dodona_trials_infeasible_total") == 1
    assert counted(changed, "dodona_suggestion_duration_seconds_count", algorithm="RANDOM_SEARCH") == 4
    states = {
        state: after["dodona_trials_current", ("state", state)] for state in ("ACTIVE", "SUCCEEDED", "INFEASIBLE")
    }
    assert states == {"ACTIVE": 1, "SUCCEEDED": 2, "INFEASIBLE": 1}
    assert after["dodona_trials_current", ("state", "REQUESTED")] == 1
    assert after["dodona_studies_current", ("state", "ACTIVE")] == 1
    hot = "/v1/projects/{project}/locations/{location}/studies/{study}/trials:suggest"
    name = "http_server_request_duration_seconds_count"
    assert counted(changed, name, route=hot, method="POST", code="200") == 4
    one = "/v1/projects/{project}/locations/{location}/studies/{study}"
    assert counted(changed, name, route=one, method="GET", code="404") == 1
    assert counted(changed, "dodona_database_wait_seconds_count", kind="write") >= 9
    api.delete("/studies/secret-name")
    gone = samples(api.client.get("/metrics").text)
    assert gone["dodona_trials_current", ("state", "SUCCEEDED")] == 0
    assert gone["dodona_deleted_studies_current",] == 1


def test_nothing_that_a_client_sends_becomes_a_label(api):
    for method, path in (("BREW", "/coffee"), ("GET", "/no/such/path"), ("POST", "/v1/x:y")):
        api.client.request(method, path)
    text = api.client.get("/metrics").text
    routes = set(re.findall(r'route="([^"]*)"', text))
    assert "none" in routes
    # A test in the same process may have added a route; no path that was sent is one.
    assert routes.isdisjoint({"/coffee", "/no/such/path", "/v1/x:y"})
    assert 'method="other"' in text
    assert "BREW" not in text


def test_with_a_token_it_needs_one(tmp_path):
    token = "a long random secret for this test"
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=token))
    with AppClient(app, base_url="http://localhost") as client:
        assert client.get("/metrics").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/metrics", headers=headers).status_code == 200


def test_processes_add_up(postgres_url, tmp_path):
    server = ServerProcess(tmp_path, postgres_url, SERVE, DODONA_WORKERS="2", DODONA_ARTIFACTS=str(tmp_path / "files"))
    server.start()
    try:
        with dodona.Client(server.url) as client:
            study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm="RANDOM_SEARCH")
            for _ in range(10):
                with study.ask() as trial:
                    trial.complete(1.0)
        deadline = time.monotonic() + patience(20)
        # Whichever process answers.
        for _ in range(5):
            while True:
                found = samples(httpx.get(f"{server.url}/metrics").text)
                if found.get(("dodona_trials_completed_total",)) == 10.0:
                    break
                assert time.monotonic() < deadline, found
    finally:
        server.stop()


def test_names_follow_prometheus_rules():
    for family in metrics._OWN.collect():
        assert re.fullmatch(r"(dodona|http)_[a-z_]+", family.name)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
