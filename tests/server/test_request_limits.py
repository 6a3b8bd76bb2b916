"""What a connection may send and how long it may wait: over real connections."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodona_server.api.front.body import MAX_BODY_BYTES
from dodona_server.serving.connections import Limits
from dodona_server.serving.http_protocol import MAX_HEAD_BYTES, MAX_HEADERS, MAX_PIPELINED, MAX_TARGET_BYTES
from tests.server.raw_connections import (
    GET,
    STUDIES,
    TOKEN,
    WAIT_SECONDS,
    ask,
    call,
    connect,
    received,
    serving,
    status_of,
)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server with the usual limits."""
    with serving(tmp_path, Limits()) as port:
        yield port


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[int]:
    """A server that waits half a second for heads, and two seconds for bodies."""
    with serving(tmp_path, Limits(head_seconds=0.5, silent_seconds=2.0, body_seconds=2.0)) as port:
        yield port


def flood(port: int, start: bytes, piece: bytes) -> tuple[int, bytes]:
    """Sends a start, and then a piece again and again; how many bytes went, and what came."""
    sent = 0
    with connect(port) as connection:
        connection.sendall(start)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while sent < 64 * 2**20:
                connection.sendall(piece)
                sent += len(piece)
                # Slower than the server: what the kernel takes by itself is not what is tested.
                time.sleep(max(0.001, len(piece) / 2**19))
                connection.setblocking(False)
                try:
                    return sent, connection.recv(65536)
                except BlockingIOError:
                    connection.settimeout(WAIT_SECONDS)
        return sent, received(connection)


CHUNKED = f"POST {STUDIES}:lookup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
CHUNKED += b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "piece", "code"),
    [
        (GET + b"X-Long: ", b"a" * 4096, 431),
        (GET + b"X-", b"a" * 4096, 431),
        (GET, b"x: v\r\n" * 16, 431),
        (GET, b"x-long: " + b"v" * 2000 + b"\r\n", 431),
        (GET, b": \r\n" * 1000, 400),
        (b"GET /", b"a" * 1024, 414),
        (b"GET /?", b"a" * 1024, 414),
        (b"GET http://localhost/", b"a" * 1024, 414),
        (b"", b"\r\n" * 1024, 431),
        (b"", b"A" * 1024, 400),
        (CHUNKED + b"1;", b"a" * 4096, 400),
        (CHUNKED + b"1;a=", b"a" * 4096, 400),
        (CHUNKED + b"0\r\nX-Long: ", b"a" * 4096, 400),
        (CHUNKED + b"0\r\n", b"x: v\r\n" * 1024, 400),
    ],
)
def test_what_never_ends_is_refused_after_a_fixed_limit(port, start, piece, code):
    sent, answer = flood(port, start, piece)
    assert status_of(answer) == code
    assert sent <= 4 * MAX_HEAD_BYTES
    head, _, body = answer.partition(b"\r\n\r\n")
    assert json.loads(body)["error"]["code"] == code
    assert b"connection: close" in head.lower()
    assert b"x-content-type-options: nosniff" in head.lower()
    assert ask(port) == 200


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"GET /healthz?" + b"a" * (MAX_TARGET_BYTES - 9) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /healthz?" + b"a" * (MAX_TARGET_BYTES - 8) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (GET + b"x: v\r\n" * (MAX_HEADERS - 1) + b"\r\n", 200),
        (GET + b"x: v\r\n" * MAX_HEADERS + b"\r\n", 431),
        (GET + b"x: " + b"v" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n", 200),
        (GET + b"x: " + b"v" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
    ],
)
def test_the_limits_are_where_they_are_said_to_be(port, head, code):
    with connect(port) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(65536)) == code


def test_what_comes_behind_a_body_is_no_header(port):
    request = CHUNKED.replace(f"Authorization: Bearer {TOKEN}\r\n".encode(), b"")
    with connect(port) as connection:
        connection.sendall(request + f"0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        assert status_of(connection.recv(65536)) == 401


def test_many_requests_in_one_piece_are_all_answered(port):
    with connect(port) as connection:
        connection.sendall((GET + b"\r\n") * (MAX_PIPELINED - 1) + GET + b"Connection: close\r\n\r\n")
        assert received(connection).count(b"HTTP/1.1 200 OK") == MAX_PIPELINED


def test_requests_without_end_do_not_pile_up(port):
    with connect(port) as connection:
        connection.sendall((GET + b"\r\n") * 5000)
        received(connection)
    assert ask(port) == 200


BODY = f"POST {STUDIES}:lookup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", 408),
        (b"GE", 408),
        (b"\r\n", 408),
        (GET + b"X-Half: ", 408),
        (BODY.encode() + b"\r\n", 408),
        (BODY.encode() + b"\r\n{", 408),
        (CHUNKED + b"1", 408),
    ],
)
def test_a_connection_that_sends_no_more_is_closed(impatient, sent, code):
    with connect(impatient) as connection:
        connection.sendall(sent)
        assert status_of(received(connection)) == code


@pytest.mark.parametrize(
    ("start", "drip"), [(GET + b"X-Slow: ", b"a"), (BODY.encode() + b"\r\n{", b" "), (b"", b"\r\n")]
)
def test_a_connection_that_sends_a_little_now_and_then_is_closed(impatient, start, drip):
    with connect(impatient) as connection:
        connection.sendall(start)
        connection.settimeout(0.1)
        for _ in range(round(WAIT_SECONDS * 10)):
            with contextlib.suppress(TimeoutError):
                assert status_of(connection.recv(65536)) == 408
                return
            connection.sendall(drip)
    raise AssertionError("the connection is still open")


def test_the_rest_of_a_refused_body_is_not_waited_for_long(impatient):
    with connect(impatient) as connection:
        connection.sendall(BODY.replace(TOKEN, "wrong").encode() + b"\r\n")
        assert status_of(received(connection)) == 401


def test_who_reads_after_having_sent_all_hears_that_a_body_is_too_large(port):
    """As most clients do; they would see no answer on a connection that is closed meanwhile."""
    body = b" " * (MAX_BODY_BYTES + 2**20)
    start = f"POST {STUDIES}:lookup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    chunk = f"{len(body):x}\r\n".encode()
    for head, framed in (
        (b"Content-Length: %d" % len(body), body),
        (b"Transfer-Encoding: chunked", chunk + body + b"\r\n0\r\n\r\n"),
    ):
        with connect(port) as connection:
            connection.sendall(start + head + b"\r\n\r\n" + framed)
            assert status_of(received(connection)) == 413
    with connect(port) as connection:
        connection.sendall(start + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert status_of(received(connection)) == 413


def test_a_connection_between_two_requests_stays(impatient):
    with connect(impatient) as connection:
        for _ in range(2):
            connection.sendall(GET + b"\r\n")
            assert status_of(connection.recv(65536)) == 200
            time.sleep(2)  # four times as long as a head may take


def test_half_a_second_request_is_waited_for_no_longer_than_the_first(impatient):
    with connect(impatient) as connection:
        connection.sendall(GET + b"\r\n")
        assert status_of(connection.recv(65536)) == 200
        connection.sendall(b"G")
        assert status_of(received(connection)) == 408


def test_an_artifact_goes_on_as_long_as_bytes_come(impatient):
    metric, parameter = {"metricId": "m"}, {"parameterId": "x", "doubleValueSpec": {"maxValue": 1}}
    spec = {"metrics": [metric], "parameters": [parameter], "algorithm": "RANDOM_SEARCH"}
    study = json.dumps({"studyId": "s", "displayName": "s", "studySpec": spec}).encode()
    suggest = json.dumps({"clientId": "w", "suggestionCount": 1}).encode()
    for path, body in (("", study), ("/s/trials:suggest", suggest)):
        with call(impatient, "POST", path, body) as connection:
            assert status_of(connection.recv(65536)) == 200
    with call(impatient, "PUT", "/s/trials/1/artifacts/slow", size=15) as connection:
        for _ in range(15):  # three times as long as another body may take
            connection.sendall(b"x")
            time.sleep(0.4)
        assert status_of(connection.recv(65536)) == 200
    with call(impatient, "PUT", "/s/trials/1/artifacts/half", b"x", size=2) as connection:
        assert status_of(received(connection)) == 408
    with call(impatient, "GET", "/s/trials/1/artifacts") as connection:
        answer = connection.recv(65536)
        assert b'artifacts/slow"' in answer
        assert b'artifacts/half"' not in answer


def send_for_ever(connection: socket.socket, request: bytes) -> None:
    while True:
        connection.sendall(request)
        time.sleep(0.01)


def test_an_answer_that_nobody_reads_is_given_up(tmp_path):
    limits = Limits(unread_seconds=0.5)
    with serving(tmp_path, limits) as port, connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(connection, head)
