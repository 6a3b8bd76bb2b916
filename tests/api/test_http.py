"""What holds for every request: the shape of errors, bodies, tokens."""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from contextlib import closing

import pytest

from dodona_server.api.front.body import MAX_BODY_BYTES
from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient

TOKEN = "a long random secret"


@pytest.fixture
def guarded(tmp_path):
    with AppClient(create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=TOKEN))) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "code", "status"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", f"{HERE}/studies/s/nothing", 404, "NOT_FOUND"),
        ("POST", f"{HERE}/studies/s/trials/1:explode", 404, "NOT_FOUND"),
        ("GET", f"{HERE}/studies/s/trials/1:stop", 405, "UNIMPLEMENTED"),
        ("PUT", f"{HERE}/studies", 405, "UNIMPLEMENTED"),
    ],
)
def test_the_frameworks_errors_have_the_one_shape(api, method, path, code, status):
    response = api.client.request(method, path)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["status"]) == (code, code, status)
    info = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": response.headers["x-request-id"]}
    assert error["details"] == [info]


def test_a_bug_is_answered_in_the_one_shape_and_tells_nothing(tmp_path):
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"))

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret is hunter2")

    with AppClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.get("/broken")
    assert (response.status_code, response.json()["error"]["status"]) == (500, "INTERNAL")
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    "broken", ["UPDATE trials SET parameters = 'nonsense'", "UPDATE studies SET spec = 'nonsense'"]
)
def test_a_bug_in_the_trial_loop_is_answered_in_the_one_shape_too(tmp_path, spec, broken):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    with AppClient(create_app(open_store(url)), base_url="http://localhost") as client:
        client.post(f"{HERE}/studies", json={"studyId": "s", "studySpec": spec}).raise_for_status()
        client.post(f"{HERE}/studies/s/trials:suggest", json={"clientId": "w", "suggestionCount": 1}).raise_for_status()
    with closing(sqlite3.connect(tmp_path / "x.db")) as database, database:
        database.execute(broken)
    app = create_app(open_store(url))
    with AppClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.post(f"{HERE}/studies/s/trials/1:complete", json={})
    assert (response.status_code, response.json()["error"]["status"]) == (500, "INTERNAL")
    assert "nonsense" not in response.text


def test_bodies_are_json_or_nothing(api, study):
    url = f"{HERE}{study}/trials:suggest"
    body = b'{"clientId": "w", "suggestionCount": 1}'
    assert api.client.post(url, content=body, headers={"content-type": ""}).status_code == 200
    form = api.client.post(url, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert form.status_code == 415
    assert "send JSON" in form.json()["error"]["message"]
    broken = api.client.post(url, content=b'{"clientId": ', headers={"content-type": "application/json"})
    assert "the body is not JSON" in broken.json()["error"]["message"]
    wrong = api.client.post(url, content=b"[1]", headers={"content-type": "application/json"})
    assert (wrong.status_code, wrong.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_body_that_is_too_large_is_refused_announced_or_not(api, study):
    url = f"{HERE}{study}/trials:suggest"
    large = b'{"clientId": "' + b"x" * MAX_BODY_BYTES + b'"}'
    chunks = [large[start : start + 2**16] for start in range(0, len(large), 2**16)]
    for content in (large, iter(chunks)):
        refused = api.client.post(url, content=content, headers={"content-type": "application/json"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, 413)
    chunked = iter([b'{"clientId": "w",', b' "suggestionCount": 1}'])
    assert api.client.post(url, content=chunked, headers={"content-type": "application/json"}).status_code == 200


def test_a_colon_may_be_escaped(api, study):
    response = api.client.post(f"{HERE}{study}/trials%3Asuggest", json={"clientId": "w", "suggestionCount": 1})
    assert response.status_code == 200


def test_health(api):
    assert api.client.get("/healthz").text == "ok"
    assert api.client.get("/readyz").text == "ok"


def test_the_documentation_is_served(api):
    page = api.client.get("/docs").text
    urls = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(urls) == 3
    for url in urls:
        assert url.startswith("http://localhost/"), "the page needs the internet"
        assert api.client.get(url).status_code == 200
    paths = api.client.get("/openapi.json").json()["paths"]
    assert "/v1/projects/{project}/locations/{location}/studies/{study}/trials:suggest" in paths


def test_the_documentation_runs_nothing_but_its_own(api):
    page = api.client.get("/docs")
    policy = page.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/swagger/swagger-ui.css"),
        ("GET", "/openapi.json"),
        ("GET", "/static/nothing.js"),
        ("GET", "/nowhere"),
        ("GET", "/healthz"),
        ("GET", "/ml/discovery.json"),
        ("GET", f"{HERE}/studies"),
        ("GET", f"{HERE}/studies/s:export?format=csv"),
        ("DELETE", f"{HERE}/studies"),
        ("POST", f"{HERE}/studies/s/trials:suggest"),
        ("POST", f"{HERE}/studies/s/trials/1:heartbeat"),
    ],
)
def test_no_answer_is_taken_for_what_it_is_not(api, study, method, path):
    answers = [api.client.request(method, path), api.client.request(method, path, headers={"host": "evil.example"})]
    assert [answer.headers.get_list("x-content-type-options") for answer in answers] == [["nosniff"], ["nosniff"]]


def test_with_a_token_every_request_must_bring_it(guarded):
    url = f"{HERE}/studies"
    refused = guarded.get(url)
    assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert TOKEN not in refused.text
    assert guarded.get(url, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert guarded.get("/docs").status_code == 401
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    for headers in (
        {"authorization": f"Bearer {TOKEN}"},
        {"x-goog-api-key": TOKEN},
        {"authorization": f"Basic {basic}"},
    ):
        assert guarded.get(url, headers=headers).status_code == 200
    assert guarded.get(url, headers={"authorization": "Basic no!base64"}).status_code == 401
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/readyz").status_code == 200


def test_without_a_token_only_this_machine_is_answered(api):
    refused = api.client.get(f"{HERE}/studies", headers={"host": "evil.example"})
    assert refused.status_code == 403
    assert "'evil.example'" in refused.json()["error"]["message"]
    for host in ("localhost:8080", "127.0.0.1:1", "[::1]:8080"):
        assert api.client.get(f"{HERE}/studies", headers={"host": host}).status_code == 200


def test_another_web_site_may_not_send_requests(api, guarded, spec):
    headers = {"sec-fetch-site": "cross-site", "authorization": f"Bearer {TOKEN}"}
    for client in (api.client, guarded):
        assert client.post(f"{HERE}/studies", json={"studySpec": spec}, headers=headers).status_code == 403
        assert client.get(f"{HERE}/studies", headers=headers).status_code == 200


def test_enums_are_answered_as_numbers_if_the_client_asks_for_that(api, study):
    asking = api.client.get(f"{HERE}{study}?%24alt=json%3Benum-encoding%3Dint").json()
    assert (asking["state"], asking["studySpec"]["metrics"][0]["goal"]) == (1, 2)
    assert api.client.get(f"{HERE}{study}").json()["state"] == "ACTIVE"


@pytest.mark.parametrize("method", ["TRACE", "PATCH", "POST"])
def test_a_method_that_no_call_has_is_told_so_whatever_it_sends(api, study, method):
    headers = {"content-type": "application/octet-stream"}
    path = f"{HERE}{study}/trials/1/artifacts/model"
    assert api.client.request(method, path, content=b"x", headers=headers).status_code == 405
