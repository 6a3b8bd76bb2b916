"""Servers with limits of their own, and connections to them on which any bytes are sent."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from dodona_server.app import Options, create_app
from dodona_server.serving.connections import Connections, Limits
from dodona_server.serving.http_protocol import Protocol
from dodona_server.storage.schema.opening import open_store
from tests.support.patience import patience

STUDIES = "/v1/projects/default/locations/local/studies"
TOKEN = "a long random secret"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
# Long before the time-outs of a real server, long after those of `impatient`.
WAIT_SECONDS = patience(20)


@contextlib.contextmanager
def serving(folder: Path, limits: Limits, is_proxy: Callable[[str], bool] = lambda _: False) -> Iterator[int]:
    """The port of a server in this process, with a token and with limits of its own."""
    app = create_app(open_store(f"sqlite:///{folder / 'limits.db'}"), Options(token=TOKEN))
    http = functools.partial(Protocol, connections=Connections(limits, is_proxy))
    server = uvicorn.Server(uvicorn.Config(app, port=0, loop="uvloop", http=http, ws="none", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def connect(port: int, *, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT_SECONDS, (source, 0))


def ask(port: int, source: str = "127.0.0.1") -> int:
    """The status of a request on a connection of its own."""
    with connect(port, source=source) as connection:
        connection.sendall(GET + b"Connection: close\r\n\r\n")
        return status_of(received(connection))


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def call(port: int, method: str, path: str, body: bytes = b"", size: int | None = None) -> socket.socket:
    """A connection on which a request was sent."""
    connection = connect(port)
    head = f"{method} {STUDIES}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body) if size is None else size}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection
