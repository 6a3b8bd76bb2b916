"""The audit log: who did what, from where, to what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient
from tests.support.breaking import broken_at

OPERATOR = "the token of the settings"
BEARER = {"authorization": f"Bearer {OPERATOR}"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[AppClient]:
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=OPERATOR))
    with AppClient(app, base_url="http://localhost", headers=BEARER) as client:
        yield client


def entries(client: AppClient, headers: Any = None) -> list[dict[str, str]]:
    """All entries, the oldest first, read from the export."""
    answer = client.get("/v1/audit:export", headers=headers)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()][::-1]


def made(client: AppClient, role: str, project: str = "p") -> Any:
    body = {"displayName": f"a {role}", "role": role, "project": project}
    return client.post("/v1/tokens", json=body).raise_for_status().json()


def test_it_has_what_was_made_changed_and_deleted_but_not_the_trial_loop(client, spec):
    client.post(f"{HERE}/studies", json={"studyId": "s", "studySpec": spec})
    trials = f"{HERE}/studies/s/trials"
    client.post(f"{trials}:suggest", json={"clientId": "w", "suggestionCount": 1})
    client.post(
        f"{trials}/1:addTrialMeasurement", json={"measurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    )
    client.post(f"{trials}/1:complete", json={})
    client.get(f"{HERE}/studies/s")
    client.post(f"{HERE}/studies/s:pause", json={})
    client.post(f"{HERE}/studies/none:pause", json={})
    client.delete(f"{HERE}/studies/s")
    found = [(one["action"], one["project"], one["outcome"]) for one in entries(client)]
    assert found == [
        ("create_study", "p", "done"),
        ("pause_study", "p", "done"),
        ("pause_study", "p", "refused: 404"),
        ("delete_study", "p", "done"),
    ]
    first = entries(client)[0]
    assert first["target"] == "projects/p/locations/l/studies/s"
    assert (first["actor"], first["address"]) == ("the holder of the token", "testclient")


def test_what_it_cannot_record_is_refused_and_may_be_sent_again(postgres_url: str, spec: dict[str, Any]) -> None:
    app = create_app(open_store(postgres_url), Options(token=OPERATOR))
    with AppClient(app, base_url="http://localhost", headers=BEARER) as client:

        def create() -> httpx.Response:
            return client.post(f"{HERE}/studies", json={"studyId": "s", "studySpec": spec, "requestId": "once"})

        refused = broken_at(postgres_url, "audit", create)
        assert (refused.status_code, refused.json()["error"]["status"]) == (503, "UNAVAILABLE")
        assert create().status_code == 200
        assert [one["outcome"] for one in entries(client)] == ["done"]
        refused = broken_at(postgres_url, "audit", lambda: client.get("/v1/audit:export"))
        assert (refused.status_code, refused.json()["error"]["status"]) == (503, "UNAVAILABLE")


def test_of_the_trial_loop_it_has_what_people_do_in_a_browser(client, spec):
    client.post(f"{HERE}/studies", json={"studyId": "s", "studySpec": spec})
    trials = f"{HERE}/studies/s/trials"
    client.post(f"{trials}:suggest", json={"clientId": "w", "suggestionCount": 1})
    password = "correct horse battery staple"
    body = {"user": "ada", "password": password, "memberships": [{"project": "p", "role": "editor"}]}
    client.post("/v1/users", json=body).raise_for_status()
    del client.headers["authorization"]
    page = {"origin": "http://localhost"}
    client.post("/sign-in", json={"user": "ada", "password": password}, headers=page).raise_for_status()
    client.post(f"{trials}/1:stop", json={}, headers=page).raise_for_status()
    (stop,) = (one for one in entries(client, BEARER) if one["action"] == "stop_trial")
    assert stop["actor"] == "user 'ada'"
    assert stop["target"] == "projects/p/locations/l/studies/s/trials/1:stop"
    assert stop["outcome"] == "done"


def test_it_has_tokens_users_sign_ins_and_refusals_but_no_secret(client):
    viewer = made(client, "viewer")
    password = "correct horse battery staple"
    client.post("/v1/users", json={"user": "ada", "password": password, "memberships": []}).raise_for_status()
    for tried in ("a wrong password", password):
        client.post("/sign-in", json={"user": "ada", "password": tried})
    client.cookies.clear()
    bearer = {"authorization": f"Bearer {viewer['secret']}"}
    for _ in range(3):
        assert client.post(f"{HERE}/studies", json={}, headers=bearer).status_code == 403
        assert (
            client.get(f"{HERE}/studies?key=wrong-one", headers={"authorization": "Bearer not-it"}).status_code == 401
        )
    client.delete(f"/v1/{viewer['name']}")
    log = entries(client)
    assert [(one["action"], one["outcome"]) for one in log] == [
        ("create_token", "done"),
        ("create_user", "done"),
        ("sign_in", "refused: 401"),
        ("sign_in", "done"),
        # Of refusals of the same kind, one is enough.
        ("create_study", "refused: 403"),
        ("authenticate", "refused: 401"),
        ("revoke_token", "done"),
    ]
    assert [log[0]["target"], log[1]["target"], log[-1]["target"]] == [viewer["name"], "users/ada", viewer["name"]]
    assert log[2]["actor"] == "user 'ada'"
    everything = client.get("/v1/audit:export").text + client.get("/audit").text
    for secret in (viewer["secret"], password, "a wrong password", "not-it", "wrong-one", OPERATOR):
        assert secret not in everything


def test_an_administrator_sees_the_entries_of_the_project(client, spec):
    admin = {"authorization": f"Bearer {made(client, 'admin')['secret']}"}
    for project in ("p", "q"):
        client.post(f"/v1/projects/{project}/locations/l/studies", json={"studyId": "s", "studySpec": spec})
    made(client, "viewer", "q")
    assert {one["project"] for one in entries(client, admin)} == {"p"}
    assert [one["action"] for one in entries(client, admin)] == ["create_token", "create_study"]
    page = client.get("/audit", headers=admin).text
    assert "projects/p/locations/l/studies/s" in page
    assert "projects/q" not in page


def test_it_comes_in_pages_and_is_kept_for_a_set_time(client):
    for _ in range(5):
        made(client, "viewer")
    first = client.get("/v1/audit?pageSize=3").json()
    rest = client.get(f"/v1/audit?pageSize=3&pageToken={first['nextPageToken']}").json()
    assert (len(first["entries"]), len(rest["entries"]), rest.get("nextPageToken", "")) == (3, 2, "")
    audit = client.app.state.audit
    audit._purged, audit._kept_seconds = 0.0, -1.0
    made(client, "editor")
    assert [one["action"] for one in entries(client)] == ["create_token"]


def test_the_page_of_tokens_shows_no_secret_and_only_what_the_role_may_do(client):
    viewer, admin = made(client, "viewer"), made(client, "admin")
    made(client, "viewer", "q")
    client.post(
        "/v1/users", json={"user": "ada", "memberships": [{"project": "q", "role": "viewer"}]}
    ).raise_for_status()
    page = client.get("/access").text
    assert viewer["name"].removeprefix("tokens/") in page
    assert viewer["secret"] not in page
    assert ">ada<" in page
    bearer = {"authorization": f"Bearer {admin['secret']}"}
    page = client.get("/access", headers=bearer).text
    assert viewer["name"].removeprefix("tokens/") in page
    assert ">ada<" not in page
    assert "operator" not in page
    assert "<option>p</option>" in page
    assert "<option>q</option>" not in page
    assert 'href="/access"' in client.get("/", headers=bearer).text
    assert 'href="/access"' not in client.get("/", headers={"authorization": f"Bearer {viewer['secret']}"}).text
