"""HTTP on a connection, with limits on input. They apply before anything is stored and before the token is checked."""

from __future__ import annotations

import asyncio
import enum
import functools
import math
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dodona_server.api.front.errors import error_response
from dodona_server.serving.connections import NOTHING_ASKED, Connections

MAX_TARGET_BYTES = 8 * 2**10
MAX_HEAD_BYTES = 64 * 2**10
MAX_HEADERS = 128
# Requests that wait for the answers to earlier ones.
MAX_PIPELINED = 128
# A client that is still sending can read the answer before the connection closes.
LINGER_SECONDS = 1.0


class Stage(enum.Enum):
    """Next step on a connection."""

    HEAD = enum.auto()
    BODY = enum.auto()
    IDLE = enum.auto()


_BODY = Stage.BODY  # compared for each header


@dataclass(frozen=True)
class Refusal:
    """Reason why a connection is no longer read.

    Args:
        code: the HTTP status.
        status: the canonical code.
        message: for people.
        lingers: whether the client is probably still sending.
    """

    code: int
    status: str
    message: str
    lingers: bool = True

    @functools.cached_property
    def answer(self) -> bytes:
        """Whole answer, head and body."""
        answer = error_response(self.code, self.status, self.message, {"Connection": "close"})
        lines = [f"HTTP/1.1 {self.code} {HTTPStatus(self.code).phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        return b"\r\n".join([*lines, b"", bytes(answer.body)])


LONG_TARGET = Refusal(414, "INVALID_ARGUMENT", f"the path and the query are longer than {MAX_TARGET_BYTES} bytes")
LARGE_HEAD = Refusal(431, "INVALID_ARGUMENT", f"the request's head is larger than {MAX_HEAD_BYTES} bytes")
MANY_HEADERS = Refusal(431, "INVALID_ARGUMENT", f"the request has more than {MAX_HEADERS} headers")
MANY_PIPELINED = Refusal(503, "UNAVAILABLE", f"more than {MAX_PIPELINED} requests wait on this connection")
ENDLESS_FRAMING = Refusal(
    400, "INVALID_ARGUMENT", f"{MAX_HEAD_BYTES} bytes between the parts of the body or after it do not belong to it"
)
SLOW_HEAD = Refusal(408, "INVALID_ARGUMENT", "the request's head did not arrive in time", lingers=False)
SLOW_BODY = Refusal(408, "INVALID_ARGUMENT", "the request's body did not arrive in time", lingers=False)
TOO_MANY_CONNECTIONS = Refusal(
    503, "UNAVAILABLE", "this server has reached its limit of connections; try again", lingers=False
)


class _Stopped(Exception):
    """The parser must stop; the protocol knows why."""


class Protocol(HttpToolsProtocol):
    """HTTP protocol of the framework, with limits on input.

    Args:
        connections: all connections of this process.
        arguments: the framework's.
    """

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.host = ""
        self._table = connections
        self._stage = Stage.HEAD
        # When the stage began, and when the body last grew, by the monotonic clock.
        self._since = self._grew = 0.0
        self._unread_since: float | None = None
        # Bytes received since the last progress: a head, a part of a body, or the end of a request.
        self._useless_bytes = 0
        self._progress = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, if there is room for one more."""
        super().connection_made(transport)
        self._since = time.monotonic()
        self.host = self.client[0] if self.client else ""
        if not self._table.add(self):
            self._refuse(TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._table.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process what has arrived, up to the limits."""
        if self._refused:
            return
        self._progress = False
        self._useless_bytes += len(data)
        super().data_received(data)
        if self._progress:
            self._useless_bytes = 0
            return
        if self._stage is Stage.IDLE:
            # Not even the first letter of a request has arrived.
            self._begin(Stage.HEAD)
        if self._useless_bytes > MAX_HEAD_BYTES and not self._refused:
            self._refuse(LARGE_HEAD if self._stage is Stage.HEAD else ENDLESS_FRAMING)

    def _begin(self, stage: Stage) -> None:
        self._stage = stage
        self._since = self._grew = time.monotonic()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """Handle the start of a request."""
        if self._stage is Stage.IDLE:
            self._begin(Stage.HEAD)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Handle a part of the URL."""
        if len(self.url) + len(url) > MAX_TARGET_BYTES:
            self._stop(LONG_TARGET)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Handle a complete header; ignore one after the body, because nothing here knows what it would mean."""
        if self._stage is _BODY:
            return
        if len(self.headers) == MAX_HEADERS:
            self._stop(MANY_HEADERS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Handle the end of the head."""
        if self._useless_bytes > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._stop(LARGE_HEAD)
        if len(self.pipeline) == MAX_PIPELINED:
            self._stop(MANY_PIPELINED)
        super().on_headers_complete()
        self._progress = True
        self._begin(Stage.BODY)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """Handle a part of the body."""
        self._progress = True
        self._grew = time.monotonic()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Handle the end of a request."""
        self._progress = True
        self._stage = Stage.IDLE
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Handle the end of an answer."""
        self._since = time.monotonic()
        super().on_response_complete()

    def _stop(self, refusal: Refusal) -> NoReturn:
        """Refuse the request at once, before the framework logs a line, and stop the parser."""
        self._refuse(refusal)
        raise _Stopped

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser has refused, unless it was already answered here."""
        if not self._refused:
            self._table.invalid.log(self.host)
            self._refuse(Refusal(400, "INVALID_ARGUMENT", msg))

    # How long a connection may wait.

    def pause_writing(self) -> None:
        """Record that the client reads more slowly than the server sends."""
        self._unread_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Record that the client has read most of it."""
        self._unread_since = None
        super().resume_writing()

    def check(self, now: float) -> None:
        """Close the connection if it has waited too long; see `Connection`."""
        limits = self._table.limits
        if self._unread_since is not None and now - self._unread_since > limits.unread_seconds:
            self.transport.abort()
        elif self._stage is Stage.IDLE or self._refused:
            return
        elif self.flow.read_paused:
            # The server itself does not read at the moment.
            self._since = self._grew = now
        elif self._stage is Stage.HEAD:
            if now - self._since > limits.head_seconds:
                self._refuse(SLOW_HEAD)
        elif now - self._grew > limits.silent_seconds or now - self._since > self._body_seconds():
            self._refuse(SLOW_BODY)

    def _body_seconds(self) -> float:
        limits = self._table.limits
        if self.cycle.response_complete:  # nobody needs the rest
            return limits.silent_seconds
        return math.inf if self.scope["method"] == "PUT" else limits.body_seconds

    def waits_since(self) -> float | None:
        """Return when the connection began to wait for the next request; see `Connection`."""
        if self._stage is Stage.HEAD:
            return NOTHING_ASKED if self.cycle is None or self.cycle.response_complete else None
        return self._since if self.cycle.response_complete else None

    def evict(self) -> None:
        """Close the connection; see `Connection`."""
        self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with an error, unless it could be mistaken for another request's answer, and close the connection."""
        self._refused = True
        if self._stage is Stage.BODY and self.cycle is not None:
            may_answer = not self.cycle.response_started and not self.pipeline
        else:
            may_answer = self.cycle is None or self.cycle.response_complete
        if may_answer:
            self.transport.write(refusal.answer)
        if may_answer and refusal.lingers:
            self.flow.pause_reading()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()
