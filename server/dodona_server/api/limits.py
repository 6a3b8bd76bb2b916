"""How large a request may be."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api.errors import error_response

MAX_BODY_BYTES = 8 * 2**20


class BodyLimit:
    """ASGI middleware that answers a request whose body is too large with 413, before the body is read whole.

    Args:
        app: what is guarded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it."""
        # What is put is an artifact, which has a limit of its own, and is never in memory whole.
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "DELETE", "PUT"):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length")
        if announced is not None:
            # The server below holds the client to what it announced.
            if int(announced) <= MAX_BODY_BYTES:
                await self._app(scope, receive, send)
            else:
                await _too_large(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                await _too_large(scope, receive, send)
                return
        await self._app(scope, _once(bytes(body), receive), send)


def _once(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, and then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def hand_out() -> Message:
        return pending.pop() if pending else await receive()

    return hand_out


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    message = f"the body is larger than {MAX_BODY_BYTES} bytes"
    await error_response(413, "INVALID_ARGUMENT", message, {"Connection": "close"})(scope, receive, send)
