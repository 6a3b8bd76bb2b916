"""Outermost part of the application: request ids, durations, traces and access logs."""

from __future__ import annotations

import enum
import logging
import random
import re
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api.calls.table import CALLS
from dodona_server.observation import metrics, tracing
from dodona_server.observation.logs import REQUEST_ID

logger = logging.getLogger("dodona.access")

HEADER = b"x-request-id"
# A client that closed the connection before the answer, as nginx logs it.
GONE = 499
_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
_OFTEN = {call.path for call in CALLS if call.hot or call.name in ("healthz", "readyz", "metrics", "static_file")}


class AccessLog(enum.StrEnum):
    """Choice of the requests that are logged."""

    NONE = "none"
    MOST = "most"
    """All but those of the trial loop, probes and the pages' own files."""
    ALL = "all"


@dataclass(slots=True)
class Route:
    """Template of a request's path, once it is known."""

    path: str = "none"


def note_route(scope: Scope, path: str) -> None:
    """Record the template of a request's path."""
    route: Route | None = scope.get("dodona.route")
    if route is not None:
        route.path = path


class Observed:
    """ASGI middleware that observes all requests.

    Args:
        app: answers them.
        access_log: which are logged.
    """

    def __init__(self, app: ASGIApp, access_log: AccessLog) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, with its id in a header."""
        began = time.perf_counter()
        request_id, traceparent = _sent(scope)
        REQUEST_ID.set(request_id.decode())
        route = scope["dodona.route"] = Route()
        code = GONE

        async def answer(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id)]
            await send(message)

        with tracing.span_of_call(traceparent, request_id.decode()) as span:
            try:
                await self._app(scope, receive, answer)
            finally:
                seconds = time.perf_counter() - began
                method = scope["method"] if scope["method"] in _METHODS else "other"
                metrics.observe_request(route.path, method, code, seconds)
                tracing.name_call(span, route.path, method, code)
                if self._access_log is not AccessLog.NONE:
                    self._log(scope, route.path, code, seconds)

    def _log(self, scope: Scope, route: str, code: int, seconds: float) -> None:
        if self._access_log is AccessLog.MOST and route in _OFTEN:
            return
        principal = scope.get("state", {}).get("principal")
        extra = {"method": scope["method"], "path": scope["path"], "code": code, "seconds": round(seconds, 6)}
        extra["actor"] = principal.name if principal else ""
        # As a client sent it, so it may contain line breaks.
        logger.info("%s %s %d %.3f s", extra["method"], ascii(scope["path"])[1:-1], code, seconds, extra=extra)


def _sent(scope: Scope) -> tuple[bytes, str]:
    """Return the client's id of the request, or a new one, and its `traceparent`."""
    request_id, traceparent = b"", ""
    for name, value in scope["headers"]:
        if name == HEADER and _ID.fullmatch(value):
            request_id = value
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
    return request_id or b"%016x" % random.getrandbits(64), traceparent
