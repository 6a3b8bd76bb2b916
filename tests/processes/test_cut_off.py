"""Clients that die while they send or wait: what the server has not got whole was never said, and nobody waits."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

import dodona
from dodona_server.service.suggestions.turns import LOOK_AGAIN_SECONDS
from tests.support.patience import patience
from tests.support.processes import ServerProcess

BODY = b'{"finalMeasurement": {"metrics": [{"metricId": "objective", "value": 0.5}]}}'
ANNOUNCED = f"Content-Length: {len(BODY)}".encode()
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = ServerProcess(tmp_path_factory.mktemp("cut-off")).start()
    yield server
    server.stop()


def cut_off(server: ServerProcess, method: str, path: str, framing: bytes, sent: bytes) -> None:
    """A request whose body breaks off: as many bytes as were sent when the process died."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=patience(30)) as connection:
        head = [f"{method} {path} HTTP/1.1".encode(), f"Host: {address.netloc}".encode(), framing]
        connection.sendall(b"\r\n".join([*head, b"Content-Type: application/json", b"", sent]))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b"", "the server answered what it had not got whole"


@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        pytest.param(ANNOUNCED, b"", id="nothing"),
        pytest.param(ANNOUNCED, BODY[:20], id="a-part"),
        pytest.param(ANNOUNCED, BODY[:-1], id="all-but-a-byte"),
        pytest.param(CHUNKED, b"", id="no-chunk"),
        pytest.param(CHUNKED, b"2\r\n{}\r\n", id="no-last-chunk"),
    ],
)
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("POST", ":complete"),  # of the trial loop
        ("POST", ":release"),  # of the framework
        ("PUT", "/artifacts/weights.bin"),  # in a stream
    ],
)
def test_a_request_that_breaks_off_changes_nothing(server, method, call, framing, sent):
    with dodona.Client(server.url) as client:
        study = client.create_study(
            "cut off", {"x": dodona.Float(0.0, 1.0)}, goal="minimize", algorithm="random_search"
        )
        trial = study.ask()
        trial.report(0.75, 1)
        cut_off(server, method, f"/v1/{study.name}/trials/{trial.number}{call}", framing, sent)
        # Each change of a study waits for the one before: this one finds what the broken request has done.
        trial.report(0.25, 2)
        assert study.trial(trial.number).state == "ACTIVE"
        assert list(trial.artifacts) == []
        study.delete()
    assert " ERROR " not in server.log.read_text()


def send(connection: socket.socket, path: str, body: bytes, *lines: str) -> None:
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines]
    connection.sendall("\r\n".join([*head, "", ""]).encode() + body)


def test_a_call_that_waits_ends_with_its_client(server):
    address = urlsplit(server.url)
    with dodona.Client(server.url, worker="gpu") as client:
        study = client.create_study("waits", {"x": dodona.Float(0.0, 1.0)}, goal="minimize", algorithm="random_search")
        httpx.post(f"{server.url}/v1/{study.name}:pause").raise_for_status()
        ask = {"clientId": "gpu", "suggestionCount": 1, "heldTrials": [], "leaseDuration": "60s", "wait": "30s"}
        body = json.dumps(ask).encode()
        for _ in range(3):
            # The worker waits in vain, and dies.
            with socket.create_connection((address.hostname, address.port), timeout=patience(30)) as connection:
                send(connection, f"/v1/{study.name}/trials:suggest", body, f"Content-Length: {len(body)}")
                time.sleep(0.1)
        httpx.post(f"{server.url}/v1/{study.name}:resume").raise_for_status()
        # It has come back under its name, and is not to be disturbed by what its former lives wait for.
        trial = study.ask()
        assert (trial.number, trial.attempt) == (1, 1)
        time.sleep(3 * LOOK_AGAIN_SECONDS)
        trial.report(0.5, 1)
        trial.complete(0.5)
        assert [one.attempt for one in study.trials()] == [1]
    assert " ERROR " not in server.log.read_text()


def test_an_upload_that_outlives_its_study_is_kept_nowhere(server):
    with dodona.Client(server.url) as client, httpx.Client(base_url=f"{server.url}/v1/", timeout=patience(60)) as other:

        def begin() -> dodona.Trial:
            space = {"x": dodona.Float(0.0, 1.0)}
            return client.create_study("uploads", space, goal="minimize", algorithm="random_search").ask()

        trial = begin()
        study = client.get_study("uploads")

        def content() -> Iterator[bytes]:
            yield b"x" * 2_000_000
            study.delete()
            begin()
            yield b"y"

        answer = other.put(f"{study.name}/trials/{trial.number}/artifacts/model", content=content())
        assert answer.status_code == 404
        assert "was deleted during the upload" in answer.json()["error"]["message"]
        assert client.get_study("uploads").all_artifacts() == []
