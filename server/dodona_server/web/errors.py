"""Errors that a person sees in a browser: a page instead of JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TITLES = {
    400: "That is not possible",
    403: "That is not allowed",
    404: "Not found",
    429: "Too many tries",
    500: "The server failed",
    503: "Not now",
}
SIGN_IN = "This server shows its pages to people who have signed in: enter your name and your password, or a token."


class ErrorPages:
    """ASGI middleware that turns the error answers of other calls into pages, for browsers that open an address.

    Args:
        app: the application.
        has_oidc: whether people can sign in through another service.
    """

    def __init__(self, app: ASGIApp, *, has_oidc: bool = False) -> None:
        self._app = app
        self._has_oidc = has_oidc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["method"] != "GET" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Shown(send, scope, self._has_oidc))


class _Shown:
    """A `send` that turns an error in JSON into a page.

    Args:
        send: the server's.
        scope: the request's.
        has_oidc: see `ErrorPages`.
    """

    def __init__(self, send: Send, scope: Scope, has_oidc: bool) -> None:
        self._has_oidc = has_oidc
        self._send = send
        self._scope = scope
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_error(message):
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        # Imported with the first page: a server that starts does not need the static files that this reads.
        from dodona_server.web.rendering import HEADERS, rendered

        start, status = self._start, self._start["status"]
        said, headers = json.loads(self._body)["error"]["message"], MutableHeaders(scope=start)
        if status == 401:
            # With the challenge, a browser would ask for a name and a password itself.
            del headers["WWW-Authenticate"]
            context = {"live": False, "message": SIGN_IN, "then": "reload", "oidc": self._has_oidc}
            body = rendered(self._scope, "sign_in.html", **context)
        else:
            body = rendered(self._scope, "error.html", **error_context(status, said))
        headers.update({**HEADERS, "Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))})
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_error(start: Message) -> bool:
    return start["status"] >= 400 and Headers(raw=start["headers"]).get("content-type") == "application/json"


def error_context(status: int, message: str) -> dict[str, Any]:
    """Return the variables of an error's template."""
    return {
        "live": status == 503,
        "title": TITLES.get(status, f"Error {status}"),
        "message": message,
    }
