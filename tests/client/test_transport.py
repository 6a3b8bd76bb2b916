"""Retries, patience and words of the one place that does HTTP."""

from __future__ import annotations

import http.server
import logging
import random
import sys
import threading
from typing import Any

import httpx
import pytest

from dodona import ApiError, Client, DodonaError, NotFound, ResourceExhausted, Retry, ServerError, ServerUnreachable
from dodona._http.proxy import proxy_for
from tests.client.network import Answer, Clock, Network, canned, connected, study_json, suggestion, trial_json
from tests.support.processes import free_port


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("_http.transport", "_http.outage"):
        monkeypatch.setattr(f"dodona.{module}.time", clock)
    return clock


FAULTS: list[str | int] = ["refuse", "drop", "duplicate", 408, 502, 503, 504]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_failure_is_tried_again(fault: str | int) -> None:
    network = Network(canned(s=study_json()), [fault])
    assert connected(network).get_study("s").display_name == "s"


def too_often(seconds: str | None) -> Answer:
    """The answer of a server that a client asks too often: twice, then the study."""
    answers = [httpx.Response(429, headers={} if seconds is None else {"Retry-After": seconds}, text="{}")] * 2
    return lambda request: answers.pop() if answers else httpx.Response(200, json=study_json())


def test_a_client_that_asks_too_often_waits_as_long_as_the_server_wants(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    began = clock.now
    assert connected(Network(too_often("7"))).get_study("s").display_name == "s"
    assert 14 <= clock.now - began <= 15
    assert caplog.records == []


@pytest.mark.parametrize("seconds", [None, "31", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_it_does_not_wait_for_a_time_that_nobody_has_named_or_beyond_its_patience(
    clock: Clock, seconds: str | None
) -> None:
    with pytest.raises(ResourceExhausted):
        connected(Network(too_often(seconds)), retry=Retry(patience_seconds=30)).get_study("s")
    assert clock.slept == []


@pytest.mark.parametrize("code", [400, 404, 409, 500])
def test_a_real_answer_is_not_tried_again(code: int) -> None:
    network = Network(canned(studies=code))
    with pytest.raises(ApiError) as caught:
        next(connected(network).studies())
    assert caught.value.code == code
    assert len(network.requests) == 1


def test_pauses_grow_to_a_limit_with_full_jitter(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        bounds.append(high)
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    connected(Network(canned(s=study_json()), ["refuse"] * 8)).get_study("s")
    assert bounds == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.5, 1.5, 1.5, 1.5])
    assert clock.slept == bounds


def test_patience_is_short_until_the_server_was_reached(clock: Clock) -> None:
    network = Network(canned(s=study_json()), ["refuse"] * 10_000)
    client = connected(network)
    began = clock.now
    with pytest.raises(ServerUnreachable) as caught:
        client.get_study("s")
    assert clock.now - began == pytest.approx(30)
    assert caught.value.url == "http://oracle:8080"
    assert caught.value.waited_seconds == pytest.approx(30)
    assert isinstance(caught.value.cause, httpx.ConnectError)
    assert "http://oracle:8080" in str(caught.value)
    assert "connection refused" in str(caught.value)

    network.faults.clear()
    study = client.get_study("s")
    network.faults = ["refuse"] * 10_000
    began = clock.now
    with pytest.raises(ServerUnreachable):
        study.refresh()
    assert clock.now - began == pytest.approx(600)


def test_a_proxys_answer_does_not_count_as_reaching_the_server(clock: Clock) -> None:
    began = clock.now
    with pytest.raises(ServerUnreachable) as caught:
        connected(Network(canned(), [503] * 10_000)).get_study("s")
    assert clock.now - began == pytest.approx(30)
    assert isinstance(caught.value.cause, ServerError)


def test_patience_can_be_set(clock: Clock) -> None:
    began = clock.now
    retry = Retry(first_patience_seconds=0)
    with pytest.raises(ServerUnreachable):
        connected(Network(canned(), ["refuse"]), retry=retry).get_study("s")
    assert clock.now == began


def test_a_long_outage_is_told_now_and_then(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    network = Network(canned(s=study_json()))
    study = connected(network).get_study("s")
    network.faults = ["refuse"] * 120
    began = clock.now
    study.refresh()
    lasted = clock.now - began
    assert lasted > 60
    *waiting, back = [record.getMessage() for record in caplog.records if record.name == "dodona"]
    assert waiting[0] == (
        "the server at http://oracle:8080 does not answer (connection refused); trying again for up to 10 min 0 s"
    )
    assert 2 <= len(waiting) <= 1 + lasted / 30
    assert "answers again after 1 min" in back
    assert {record.levelno for record in caplog.records if record.name == "dodona"} == {logging.WARNING}


def test_a_second_outage_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    network = Network(canned(s=study_json()), ["refuse", "pass", "refuse"])
    study = connected(network).get_study("s")
    study.refresh()
    assert [("again after" in record.getMessage()) for record in caplog.records] == [False, True, False, True]


def test_a_deletion_carries_its_id_at_every_try() -> None:
    network = Network(canned(s=[study_json(), {}]), ["pass", "drop"])
    connected(network).get_study("s").delete()
    first, second = (request.url.params["requestId"] for request in network.requests[1:])
    assert first == second
    with pytest.raises(NotFound):
        connected(Network(canned(s=[study_json(), 404]))).get_study("s").delete()


def test_the_same_request_id_travels_at_every_try() -> None:
    network = Network(canned(s=study_json(), suggest=suggestion(1), trials=trial_json(state="REQUESTED")))
    study = connected(network).get_study("s")
    network.faults = ["drop", "refuse", 503]
    study.ask()
    network.faults = ["drop"]
    study.add_trial({"x": 0.5})
    study.add_trial({"x": 0.5})
    asked = {body["requestId"] for body in network.bodies("POST studies/s/trials:suggest")}
    added = [body["requestId"] for body in network.bodies("POST studies/s/trials")]
    assert len(asked) == 1
    assert added[0] == added[1] != added[2]


@pytest.mark.parametrize("content", [b"<html>welcome</html>", b"", b"[]", b'{"studySpec": 3}'])
def test_another_server_is_told_apart(content: bytes) -> None:
    network = Network(lambda _: httpx.Response(200, content=content))
    with pytest.raises(ApiError, match="does DODONA_URL name another server"):
        connected(network).get_study("s")


def test_a_redirect_is_an_error() -> None:
    with pytest.raises(ApiError, match="HTTP 307"):
        connected(Network(lambda _: httpx.Response(307, headers={"Location": "/login"}))).get_study("s")


def test_what_every_request_carries() -> None:
    network = Network(canned(s=study_json()))
    Client("http://oracle:8080/prefix/", "secret", "a/b", "c", transport=network).get_study("s")
    (request,) = network.requests
    assert str(request.url) == "http://oracle:8080/prefix/v1/projects/a%2Fb/locations/c/studies/s"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["User-Agent"].startswith("dodona/")


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().url == "http://127.0.0.1:8080"
    monkeypatch.setenv("DODONA_URL", "http://there:1")
    monkeypatch.setenv("DODONA_TOKEN", "from outside")
    network = Network(canned(s=study_json()))
    client = Client(transport=network)
    client.get_study("s")
    assert client.url == "http://there:1"
    assert network.requests[0].headers["Authorization"] == "Bearer from outside"
    assert Client("http://here:2").url == "http://here:2"


def test_the_token_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    client = connected(Network(canned(), ["refuse"] * 10_000), token="s3cret")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ServerUnreachable) as caught:
        client.get_study("s")
    assert "s3cret" not in f"{caplog.text} {caught.value!r} {caught.value} {client!r}"
    with pytest.raises(ValueError, match="token") as refused:
        Client(token="s3cret\n")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("url", ["localhost:8080", "oracle", "ftp://oracle", "http://", "http://oracle:port"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a server"):
        Client(url)


def test_a_password_in_the_address_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="token=") as refused:
        Client("http://user:hunter2@oracle:8080")
    assert "hunter2" not in str(refused.value)


def test_pages_are_joined() -> None:
    pages = [{"trials": [trial_json(1)], "nextPageToken": "a b"}, {"trials": [trial_json(2)]}]
    network = Network(canned(s=study_json(), trials=pages))
    assert [record.number for record in connected(network).get_study("s").trials()] == [1, 2]
    assert [dict(request.url.params) for request in network.requests[1:]] == [
        {"pageSize": "1000", "pageToken": ""},
        {"pageSize": "1000", "pageToken": "a b"},
    ]


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def proxied(url: str) -> str | None:
    proxy = proxy_for(httpx.URL(url))
    return None if proxy is None else proxy.url


@pytest.mark.usefixtures("no_proxy")
def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = "http://127.0.0.1:8080", "https://oracle"
    assert (proxied(here), proxied(there)) == (None, None)
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    assert (proxied(here), proxied(there)) == ("socks5://proxy:1080", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert (proxied(here), proxied(there)) == (None, "http://proxy:3128")


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize(
    ("exempt", "host", "direct"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("localhost, 192.168.7.1/16", "192.168.9.9", True),
        ("fd00::/8", "[fd12::1]", True),
        ("[fd12::1]", "[fd12::1]", True),
        ("10.0.0.0/8", "oracle", False),
        ("*.example.com", "tuning.example.com", True),
        (".example.com", "tuning.example.com", True),
        ("example.com", "notexample.com", False),
        ("oracle:8080", "oracle", True),
        ("oracle:9090", "oracle", False),
        ("*", "oracle", True),
    ],
)
def test_no_proxy_names_hosts_and_networks(
    monkeypatch: pytest.MonkeyPatch, exempt: str, host: str, direct: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", exempt)
    assert (proxied(f"http://{host}:8080") is None) == direct


@pytest.mark.usefixtures("no_proxy")
def test_a_proxy_that_cannot_be_used_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@proxy:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(
        ImportError, match=r"socks5://proxy:1080 from ALL_PROXY .* pip install 'httpx\[socks\]'"
    ) as caught:
        Client("http://oracle:8080")
    assert "secret" not in str(caught.value)
    for wrong in ("socks://proxy:1080", "http://proxy:port", "http://"):
        monkeypatch.setenv("ALL_PROXY", wrong)
        with pytest.raises(
            ValueError, match="ALL_PROXY is not the address of a proxy; write it as in 'http://proxy:3128'"
        ):
            Client("http://oracle:8080")


class Answering(http.server.BaseHTTPRequestHandler):
    code = 503

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.end_headers()
        self.wfile.write(b"<html>Sign in</html>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("code", [200, 302, 403, 404, 407, 503, None])
def test_a_proxy_in_the_way_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int | None
) -> None:
    handler = type("Handler", (Answering,), {"code": code})
    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), handler) as server:
        address = f"127.0.0.1:{server.server_port}"
        if code is not None:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        else:
            server.server_close()
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{address}")
        client = Client("http://tuning.example:8080", retry=Retry(first_patience_seconds=0.2))
        with pytest.raises(DodonaError, match=f"the proxy http://{address} from HTTP_PROXY") as caught:
            client.get_study("s")
        assert "secret" not in str(caught.value) + caplog.text
        if code is not None:
            server.shutdown()


@pytest.mark.parametrize(
    "copied",
    ["/studies/default/local/s", "/studies/default/local/s/trials/1?sort=x#top", "/docs", "/v1", "/v1/projects/p", "/"],
)
def test_an_address_that_was_copied_from_the_browser_is_understood(copied: str) -> None:
    assert Client(f"http://oracle:8080{copied}").url == "http://oracle:8080"
    assert Client(f"https://tools/dodona{copied}").url == "https://tools/dodona"


def test_a_path_that_leads_nowhere_is_named() -> None:
    def nowhere(request: httpx.Request) -> httpx.Response:
        error = {"code": 404, "status": "NOT_FOUND", "message": f"there is nothing at {request.url.path}"}
        return httpx.Response(404, json={"error": error})

    client = Client("http://oracle/wrong", transport=httpx.MockTransport(nowhere))
    with pytest.raises(NotFound, match="is Dodona really below the path '/wrong' of http://oracle/wrong"):
        client.get_study("s")


def test_a_client_closes_its_connections() -> None:
    network = Network(canned(s=study_json()))
    closed: list[Any] = []
    network.close = lambda: closed.append(True)  # type: ignore[method-assign]
    with connected(network) as client:
        client.get_study("s")
    assert closed == [True]
    with pytest.raises(RuntimeError, match="closed"):
        client.get_study("s")
