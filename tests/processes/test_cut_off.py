"""A worker that dies while it sends: what the server has not got whole was never said."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

import dodona
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
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
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
