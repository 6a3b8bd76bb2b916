"""Signing in with a browser: sessions in cookies, by tokens and by names with passwords."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dodona_server.app import Options, create_app
from dodona_server.domain.access.roles import TOKEN_HOLDER
from dodona_server.service.access import passwords
from dodona_server.service.access.tokens import revoke_token
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient

OPERATOR = "the token of the settings"
BEARER = {"authorization": f"Bearer {OPERATOR}"}
ORIGIN = {"origin": "http://localhost"}
BROWSER = {"accept": "text/html"}
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_COST", {"n": 2**4, "r": 8, "p": 1})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'x.db'}"


@pytest.fixture
def client(url: str) -> Iterator[AppClient]:
    with AppClient(create_app(open_store(url), Options(token=OPERATOR)), base_url="http://localhost") as client:
        body = {"user": "ada", "password": PASSWORD, "memberships": [{"project": "p", "role": "editor"}]}
        client.post("/v1/users", json=body, headers=BEARER).raise_for_status()
        yield client


def sign_in(client: AppClient, user: str, password: str, **headers: str) -> Any:
    return client.post("/sign-in", json={"user": user, "password": password}, headers={**ORIGIN, **headers})


def status(client: AppClient, path: str = f"{HERE}/studies") -> int:
    return int(client.get(path).status_code)


def test_a_browser_that_is_nobody_sees_the_form_and_no_dialog_of_its_own(client):
    for path in ("/", "/studies/p/l/s", "/sign-in"):
        page = client.get(path, headers=BROWSER)
        assert page.status_code == (200 if path == "/sign-in" else 401)
        assert 'data-send="POST /sign-in"' in page.text
        assert "www-authenticate" not in page.headers
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "www-authenticate" in client.get("/").headers


@pytest.mark.parametrize(("user", "password"), [("ada", PASSWORD), ("", OPERATOR)])
def test_a_session_lives_in_a_cookie_that_no_script_reads_until_its_end(client, user, password):
    assert status(client) == 401
    answer = sign_in(client, user, password)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=604800"} <= set(cookie.split("; "))
    assert PASSWORD not in cookie + answer.text
    assert status(client) == 200
    assert client.get("/", headers=BROWSER).status_code == 200
    assert 'data-send="POST /sign-out"' in client.get("/", headers=BROWSER).text
    stolen = dict(client.cookies)
    assert client.post("/sign-out", json={}, headers=ORIGIN).status_code == 200
    assert not client.cookies
    assert status(client) == 401
    # The session has ended, not only the browser's copy of the cookie.
    assert client.get(f"{HERE}/studies", cookies=stolen).status_code == 401


def test_a_session_of_a_token_ends_with_it_and_is_no_token(client):
    made = client.post("/v1/tokens", json={"displayName": "x", "role": "viewer", "project": "p"}, headers=BEARER).json()
    assert sign_in(client, "", made["secret"]).status_code == 200
    cookie = client.cookies["dodona_session"]
    assert status(client) == 200
    client.cookies.clear()
    assert client.get(f"{HERE}/studies", headers={"authorization": f"Bearer {cookie}"}).status_code == 401
    client.cookies["dodona_session"] = cookie
    assert status(client) == 200
    client.delete(f"/v1/{made['name']}", headers=BEARER).raise_for_status()
    assert status(client) == 401


def test_roles_follow_the_person_and_a_new_password_ends_sessions(client):
    sign_in(client, "ada", PASSWORD)
    assert client.get("/v1/projects/q/locations/l/studies").status_code == 404
    body = {"project": "q", "role": "viewer"}
    client.post("/v1/users/ada:setRole", json=body, headers=BEARER).raise_for_status()
    assert client.get("/v1/projects/q/locations/l/studies").status_code == 200
    assert client.post("/v1/users/ada:setRole", json=body, headers=ORIGIN).status_code == 403
    client.post("/v1/users/ada:setPassword", json={"password": "another password"}, headers=BEARER).raise_for_status()
    assert status(client) == 401
    assert sign_in(client, "ada", PASSWORD).status_code == 401
    assert sign_in(client, "ada", "another password").status_code == 200
    client.delete("/v1/users/ada", headers=BEARER).raise_for_status()
    assert status(client) == 401


def test_a_change_with_a_session_names_its_page(client, spec):
    sign_in(client, "ada", PASSWORD)
    body = {"studyId": "s", "studySpec": spec}
    for headers in ({}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert client.post(f"{HERE}/studies", json=body, headers=headers).status_code == 403
    assert client.post(f"{HERE}/studies", json=body, headers=ORIGIN).status_code == 200
    assert client.post(f"{HERE}/studies", json=body, headers={"sec-fetch-site": "same-origin"}).status_code == 200
    # Nobody is signed in, as somebody else, by another site.
    evil = {"origin": "http://evil.example"}
    assert client.post("/sign-in", json={"password": OPERATOR}, headers=evil).status_code == 403


def test_over_tls_the_cookie_stays_on_tls_and_below_a_path_it_stays_below(url):
    app = create_app(open_store(url), Options(token=OPERATOR, root_path="/tuning"))
    with AppClient(app, base_url="https://localhost") as client:
        answer = sign_in(client, "", OPERATOR, origin="https://localhost")
        assert {"Secure", "Path=/tuning"} <= set(answer.headers["set-cookie"].split("; "))


@pytest.mark.parametrize("column", ["expire_time", "use_time"])
def test_a_session_ends_when_it_is_old_or_was_not_used(url, column):
    options = Options(token=OPERATOR)
    with AppClient(create_app(open_store(url), options), base_url="http://localhost") as client:
        sign_in(client, "", OPERATOR)
        assert status(client) == 200
        cookies = dict(client.cookies)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute(f"UPDATE sessions SET {column} = {column} - 8 * 86400")
    with AppClient(create_app(open_store(url), options), base_url="http://localhost", cookies=cookies) as client:
        assert status(client) == 401


def test_wrong_tries_say_nothing_and_wait_longer_and_longer(client, monkeypatch):
    waited: list[int] = []
    monkeypatch.setattr("dodona_server.api.guard.refused_tokens._pause", lambda times: waited.append(times) or 0.0)
    messages = {sign_in(client, user, "wrong password").json()["error"]["message"] for user in ("ada", "nobody")}
    assert messages == {"the name or the password is wrong"}
    for index in range(8):
        # Each from another address.
        sign_in(client, "ada", "wrong password", **{"x-forwarded-for": f"192.0.2.{index}"})
    assert waited == sorted(waited)
    assert len(waited) > 2
    # The right one never waits.
    before = len(waited)
    assert sign_in(client, "ada", PASSWORD).status_code == 200
    assert len(waited) == before


def test_passwords_are_kept_as_hashes(client, url):
    stored = sqlite3.connect(url.removeprefix("sqlite:///")).execute("SELECT password FROM people").fetchall()
    assert stored[0][0].startswith("scrypt$")
    assert PASSWORD not in str(stored)
    short = client.post("/v1/users", json={"user": "x", "password": "short"}, headers=BEARER)
    assert short.json()["error"]["message"].startswith("password: it has 5 characters; 10 to 1000 are allowed")
    assert "password" not in client.get("/v1/users", headers=BEARER).text
    assert client.post("/v1/users", json={"user": "ada"}, headers=BEARER).status_code == 409


class TestRevokedMeanwhile:
    """A token is revoked while a call of it goes on."""

    @pytest.fixture
    def headers(self, client, spec):
        client.post(f"{HERE}/studies", json={"studyId": "s", "studySpec": spec}, headers=BEARER).raise_for_status()
        body = {"displayName": "x", "role": "editor", "project": "p"}
        made = client.post("/v1/tokens", json=body, headers=BEARER).json()
        return {"authorization": f"Bearer {made['secret']}"}

    @pytest.mark.parametrize("accept", ["text/event-stream", "text/event-stream, */*"])
    def test_an_open_stream_ends(self, client, headers, accept):
        # The test's client returns once the stream has ended.
        revoke_soon(client, headers)
        found = client.get(f"{HERE}/studies/s/events", headers={**headers, "accept": accept})
        assert "STUDY_CREATED" in found.text

    def test_so_does_that_of_a_page(self, client, headers):
        revoke_soon(client, headers)
        assert client.get("/studies/p/l/s/changes", headers=headers).text.startswith("retry: ")

    def test_a_call_that_waits_gets_no_trial(self, client, headers):
        client.post(f"{HERE}/studies/s:setMaxTrials", json={"maxNumTrials": 1}, headers=BEARER).raise_for_status()
        trials = f"{HERE}/studies/s/trials"
        # It may come back.
        body = {"clientId": "v", "suggestionCount": 1, "leaseDuration": "60s"}
        client.post(f"{trials}:suggest", json=body, headers=BEARER).raise_for_status()
        revoke_soon(client, headers)
        waiting = client.post(f"{trials}:suggest", json={**body, "clientId": "w", "wait": "30s"}, headers=headers)
        assert (waiting.status_code, waiting.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
        client.post(f"{trials}/1:release", json={"clientId": "v"}, headers=BEARER).raise_for_status()
        assert client.get(f"{trials}/1", headers=BEARER).json()["state"] == "REQUESTED"


def revoke_soon(client: AppClient, headers: dict[str, str]) -> None:
    async def revoke() -> None:
        await asyncio.sleep(0.5)
        token = headers["authorization"].split("_")[1]
        gate = client.app.state.gate  # type: ignore[attr-defined]
        await gate.change(lambda transaction, _: revoke_token(transaction, TOKEN_HOLDER, token))

    assert client.portal is not None
    client.portal.start_task_soon(revoke)


def test_a_sign_in_under_way_does_not_outlast_a_new_password(client, monkeypatch):
    monkeypatch.undo()  # a check takes its time
    again = {"user": "ada", "password": PASSWORD, "memberships": [{"project": "p", "role": "editor"}]}
    client.delete("/v1/users/ada", headers=BEARER).raise_for_status()
    client.post("/v1/users", json=again, headers=BEARER).raise_for_status()
    with ThreadPoolExecutor(5) as threads:
        begun = [threads.submit(sign_in, client, "ada", PASSWORD) for _ in range(5)]
        changed = client.post("/v1/users/ada:setPassword", json={"password": "another password"}, headers=BEARER)
        assert changed.status_code == 200
        answers = [one.result() for one in begun]
    assert {answer.status_code for answer in answers} <= {200, 401}
    for answer in answers:
        client.cookies.clear()
        client.cookies.update(answer.cookies)
        assert status(client) == 401
