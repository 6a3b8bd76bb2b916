"""Request bodies: received whole, limited in size, and accepted as JSON only."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api.calls.call import pattern_of
from dodona_server.api.calls.table import CALLS
from dodona_server.api.front.errors import error_response

MAX_BODY_BYTES = 8 * 2**20
# Many clients read no answer before they have sent everything. If the connection closes earlier, they only see a reset.
# So a body that is too large is received up to this size and dropped.
MAX_DROPPED_BYTES = 4 * MAX_BODY_BYTES
_POSTED = [pattern_of(path) for call in CALLS if call.method == "POST" for path in {call.path, call.served_at}]


class WholeBody:
    """ASGI middleware that receives a request's whole body before it passes the request on.

    If a client disconnects while it sends, the request is dropped: a part of a body, above all an empty part, may look
    like a request that the client never meant. A body that is too large gets 413. A body with a content type other than
    JSON gets 415: a browser sends other types for any web site without asking this server first.

    Args:
        app: answers requests; it gets each body in one message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, answer it, or drop it."""
        # PUT uploads an artifact, which has its own limit and is never whole in memory.
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "DELETE", "PUT"):
            await self._app(scope, receive, send)
            return
        # Not `Headers`, which decodes the names for each look.
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        if (length := int(headers.get(b"content-length", b"0"))) > MAX_BODY_BYTES:
            # A client that sends "Expect" has sent no body yet.
            if length <= MAX_DROPPED_BYTES and b"expect" not in headers:
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
        # Only the bodies of calls with POST are read; the routes answer anything else with 405 or 404.
        if body and scope["method"] == "POST" and (other := _other_type(scope)) is not None and _is_call(scope["path"]):
            problem = f"send JSON with 'Content-Type: application/json', not {other!r}"
            # The connection is closed, because the AI Platform dialect needs that for all its answers.
            closing = {"Connection": "close"}
            await error_response(415, "INVALID_ARGUMENT", problem, closing)(scope, receive, send)
            return
        whole = {"type": "http.request", "body": bytes(body), "more_body": False}
        await self._app(scope, followed_by(whole, receive), send)


def _is_call(path: str) -> bool:
    """Return whether a call with POST has this path."""
    return any(pattern.fullmatch(path) for pattern in _POSTED)


def followed_by(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that first returns a message already received, then the rest."""
    pending = [message]

    async def receive_next() -> Message:
        return pending.pop() if pending else await receive()

    return receive_next


def _other_type(scope: Scope) -> str | None:
    """Return the content type if it is not JSON; Google's clients send bodies without one."""
    for name, value in scope["headers"]:
        if name == b"content-type" and value and value.partition(b";")[0].strip().lower() != b"application/json":
            return str(value, "latin-1")
    return None


async def _drop(receive: Receive) -> None:
    """Receive and drop the rest of a body, up to a limit."""
    dropped = 0
    more = True
    while more and dropped <= MAX_DROPPED_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    message = f"the body is larger than {MAX_BODY_BYTES} bytes"
    await error_response(413, "INVALID_ARGUMENT", message, {"Connection": "close"})(scope, receive, send)
