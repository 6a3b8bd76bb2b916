"""Requests are passed on once their bodies have come whole, are not too large, and say that they are JSON."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api.errors import error_response

MAX_BODY_BYTES = 8 * 2**20
# Many clients read no answer before they have sent all, and hear of nothing but a reset connection if it is closed
# meanwhile. So what is too large is taken up to here, and dropped as it comes.
MAX_DROPPED_BYTES = 4 * MAX_BODY_BYTES


class WholeBody:
    """ASGI middleware that receives a request's body whole before it passes the request on.

    A client that goes away while it sends has asked for nothing: what came of its body may well be a request that it
    never meant, above all if that is nothing. A body that is too large is answered with 413, one that says that it is
    anything but JSON with 415: a browser sends other types for any web site without asking this server first.

    Args:
        app: what answers requests; it gets each body in one message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, answers it, or drops it."""
        # What is put is an artifact, which has a limit of its own, and is never in memory whole.
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "DELETE", "PUT"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if (length := int(headers.get("content-length", "0"))) > MAX_BODY_BYTES:
            # Who expects an answer first has sent nothing yet.
            if length <= MAX_DROPPED_BYTES and "expect" not in headers:
                await _drop(receive)
            await _too_large(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                body.clear()
                if more:
                    await _drop(receive)
                await _too_large(scope, receive, send)
                return
        # Only what is posted is read; any other method is answered by the routes, with 405.
        if body and scope["method"] == "POST" and (other := _other_type(scope)) is not None:
            problem = f"send JSON with 'Content-Type: application/json', not {other!r}"
            # Closed, as the older dialect needs all its answers to be.
            closing = {"Connection": "close"}
            await error_response(415, "INVALID_ARGUMENT", problem, closing)(scope, receive, send)
            return
        whole = {"type": "http.request", "body": bytes(body), "more_body": False}
        await self._app(scope, behind(whole, receive), send)


def behind(message: Message, receive: Receive) -> Receive:
    """Hands out a message that was received already, and then what comes behind it."""
    pending = [message]

    async def hand_out() -> Message:
        return pending.pop() if pending else await receive()

    return hand_out


def _other_type(scope: Scope) -> str | None:
    """The content type, if it is not JSON's; Google's clients send bodies without one."""
    for name, value in scope["headers"]:
        if name == b"content-type" and value and value.partition(b";")[0].strip().lower() != b"application/json":
            return str(value, "latin-1")
    return None


async def _drop(receive: Receive) -> None:
    """Takes the rest of a body, as far as it is worth it."""
    dropped = 0
    more = True
    while more and dropped <= MAX_DROPPED_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    message = f"the body is larger than {MAX_BODY_BYTES} bytes"
    await error_response(413, "INVALID_ARGUMENT", message, {"Connection": "close"})(scope, receive, send)
