"""Who may change something: pages of other web sites never, and nobody by guessing tokens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodona_server.api.guard.refused_tokens import FREE_TRIES, MAX_HELD
from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient

TOKEN = "a long random secret"
BEARER = {"authorization": f"Bearer {TOKEN}"}
BODY = json.dumps({"displayName": "x"}).encode()
LOOKUP = f"{HERE}/studies:lookup"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[AppClient]:
    """A server with a token, behind a proxy on this machine."""
    store = open_store(f"sqlite:///{tmp_path / 'guarded.db'}")
    with AppClient(create_app(store, Options(token=TOKEN)), client=("127.0.0.1", 5)) as client:
        yield client


@pytest.fixture(scope="module", params=["with a token", "without"])
def send(request, tmp_path_factory):
    """Posts a call and gives the status; 404 is the right answer."""
    token = TOKEN if request.param == "with a token" else None
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('security') / 'security.db'}")
    with AppClient(create_app(store, Options(token=token)), client=("127.0.0.1", 5)) as client:

        def post(headers: dict[str, str], method: str = "POST", body: bytes = BODY) -> int:
            return client.request(method, LOOKUP, content=body, headers={**BEARER, **headers}).status_code

        yield post


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """The status of a request to a server without a token that names it so."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('named') / 'named.db'}")
    with AppClient(create_app(store)) as client:
        yield lambda host: client.get(f"{HERE}/studies", headers={"host": host}).status_code


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LocalHost:8080", "http://localhost:8080"),
        ("localhost:8080", "HTTP://LOCALHOST:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "http://localhost:80"),
        ("127.0.0.1:1", "http://127.0.0.1:1"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[0:0::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_page_of_this_server_may_send_requests(send, host, origin):
    assert send({"host": host, "origin": origin, "sec-fetch-site": "same-origin"}) == 404


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:8080",
        "http://127.0.0.1:8080",
        "http://evil.example",
        "http://evil.example:8080",
        "http://localhost.evil.example:8080",
        "http://[::1]:8080",
        "http://localhost:8080.evil.example",
        "http://localhost:8080@evil.example",
        "http://evil.example@localhost:8080",
        "http://localhost:8080/",
        "http://localhost:8080 http://evil.example",
        "http://localhost:8080, http://evil.example",
        "null",
        "",
        "localhost:8080",
        "file://",
        "chrome-extension://localhost:8080",
        "http://localhost:08080808",
    ],
)
def test_a_page_of_any_other_site_may_not(send, origin):
    headers = {"host": "localhost:8080", "origin": origin}
    assert send(headers) == 403
    assert send({**headers, "sec-fetch-site": "same-site"}) == 403
    assert send({**headers, "sec-fetch-site": "same-origin"}) == 403
    assert send({**headers, "content-type": "text/plain;json"}) == 403
    for method in ("PUT", "DELETE", "PATCH", "put", "PROPFIND"):
        assert send(headers, method=method) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something new"])
def test_a_browser_that_says_only_that_it_is_another_site_is_believed(send, site):
    assert send({"host": "localhost", "sec-fetch-site": site}) == 403


def test_a_client_that_is_no_browser_sends_what_it_always_did(send):
    assert send({"host": "localhost:8080"}) == 404
    assert send({"host": "localhost:8080", "sec-fetch-site": "none"}) == 404


def test_behind_a_proxy_with_tls_the_page_has_its_scheme(guarded):
    own = {**BEARER, "host": "dodona.example", "origin": "https://dodona.example"}
    assert guarded.post(LOOKUP, content=BODY, headers={**own, "x-forwarded-proto": "https"}).status_code == 404
    refused = guarded.post(LOOKUP, content=BODY, headers=own)
    assert refused.status_code == 403
    assert "FORWARDED_ALLOW_IPS" in refused.json()["error"]["message"]


def test_who_is_no_proxy_says_nothing_of_the_scheme(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    with AppClient(create_app(store, Options(token=TOKEN)), client=("192.0.2.7", 5)) as client:
        headers = {**BEARER, "host": "d", "origin": "https://d", "x-forwarded-proto": "https"}
        assert client.post(LOOKUP, content=BODY, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("application/json", 404),
        ("Application/JSON", 404),
        ("application/json; charset=utf-8", 404),
        ("application/json;charset=UTF-8", 404),
        ("", 404),
        ("text/plain", 415),
        ("text/plain;json", 415),
        ("text/plain; charset=json", 415),
        ("text/json", 415),
        ("application/jsonp", 415),
        ("application/json-patch+json", 415),
        ("application/vnd.api+json", 415),
        ("application/jsonx", 415),
        ("xapplication/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=application/json", 415),
        ("application/json, text/plain", 415),
        ("text/plain, application/json", 415),
        (";json", 415),
        ("json", 415),
    ],
)
def test_content_types_are_taken_exactly(send, content_type, code):
    assert send({"host": "localhost", "content-type": content_type}) == code


@pytest.mark.parametrize("path", ["/studies/s/trials:suggest", "/studies/s:pause", "/studies/s/trials/1:complete"])
def test_every_call_with_a_body_looks_at_the_type(api, study, path):
    refused = api.client.post(HERE + path, content=b"{}", headers={"content-type": "text/plain"})
    assert (refused.status_code, "send JSON" in refused.text) == (415, True)
    assert api.get(study)["state"] == "ACTIVE"


@pytest.mark.parametrize(
    "host",
    [
        "[::1]evil.example",
        "[::1].evil.example",
        "[::1]@evil.example",
        "[::1",
        "::1",
        "[::1]:x",
        "[::1]:80:80",
        "[::1%25eth0]",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "localhost:80evil",
        "localhost.evil.example",
        "localhost.",
        "localhost/",
        "localhost:99999",
        "127.0.0.1.evil.example",
        "0127.0.0.1",
        "[127.0.0.1]",
        "[localhost]",
        "evil.example",
        "evil.example:8080",
        "0.0.0.0",
        "",
    ],
)
def test_a_host_that_only_looks_like_this_machine_is_refused(named, host):
    assert named(host) == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.2:80", "[::1]", "[0:0:0::1]:8080"])
def test_every_name_of_this_machine_is_answered(named, host):
    assert named(host) == 200


def test_two_hosts_are_one_too_many(api):
    headers = [("host", "localhost"), ("host", "evil.example")]
    assert api.client.get(f"{HERE}/studies", headers=headers).status_code == 400


class TestRefusedTokens:
    def test_each_address_leaves_a_line_without_the_token(self, guarded, caplog):
        for _ in range(3):
            guarded.get(f"{HERE}/studies?key=in-the-query", headers={"authorization": "Bearer not-the-token"})
        (line,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
        assert "'127.0.0.1', which sent a wrong token" in line
        forwarded = {"x-forwarded-for": "192.0.2.7", "x-goog-api-key": "not-the-token"}
        guarded.get(f"{HERE}/studies/a%0Aforged line", headers=forwarded)
        guarded.get(f"{HERE}/studies", headers={"x-forwarded-for": "192.0.2.8"})
        assert "'192.0.2.7', which sent a wrong token" in caplog.text
        assert "'192.0.2.8', which sent no token" in caplog.text
        guarded.get(f"{HERE}/studies", headers={"x-forwarded-for": "x" * 10_000})
        assert "'" + "x" * 64 + "', which" in caplog.text
        assert "\nforged" not in caplog.text
        assert "not-the-token" not in caplog.text
        assert "in-the-query" not in caplog.text

    def test_they_are_slowed_down_and_nobody_else_is(self, tmp_path, monkeypatch):
        # Longer than the entry about the first of them takes, which goes into the audit log before it counts.
        monkeypatch.setattr("dodona_server.api.guard.refused_tokens.FIRST_PAUSE_SECONDS", 2.0)
        asyncio.run(self._guess(tmp_path))

    async def _guess(self, folder):
        app = create_app(open_store(f"sqlite:///{folder / 'x.db'}"), Options(token=TOKEN))
        guesses = [asyncio.create_task(_status(app, "wrong", "192.0.2.7")) for _ in range(FREE_TRIES + MAX_HELD + 10)]
        await asyncio.sleep(0)
        done, held = set(), set(guesses)
        while len(done) < FREE_TRIES + 10:
            newly, held = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
            done |= newly
        statuses = sorted(guess.result() for guess in done)
        assert statuses[:FREE_TRIES] == [401] * FREE_TRIES
        assert statuses.count(429) == 10
        # Neither the right token waits, from that address too, nor a first mistake elsewhere.
        assert await _status(app, TOKEN, "192.0.2.7") == 200
        assert await _status(app, "wrong", "192.0.2.8") == 401
        assert any(not guess.done() for guess in held)
        began = time.monotonic()
        assert {await guess for guess in held} == {401}
        assert time.monotonic() - began > 0.125


async def _status(app, token: str, host: str) -> int:
    """The status of a request, without a connection."""
    statuses = []

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/nowhere",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {token}".encode()), (b"host", b"d")],
        "client": (host, 5),
        "server": ("d", 80),
    }
    await app(scope, receive, send)
    return 200 if statuses[0] == 404 else statuses[0]
