"""Who may talk to the server: a guard in front of all routes.

With a token configured every request must bring it, as `Authorization: Bearer`, as `x-goog-api-key` (what Google's
clients send for an API key) or as the password of HTTP Basic (what a browser asks a person for). Without one the
server listens on loopback alone, and the guard keeps other web sites from using a person's browser to reach it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api.errors import error_response

# Answers that tell nothing: what a container's health check asks without knowing the token.
_OPEN_PATHS = {"/healthz", "/readyz"}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}


class Guard:
    """ASGI middleware that lets through what may pass.

    Args:
        app: what is guarded.
        token: the secret that requests must bring; None for a server on loopback.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._digest = None if token is None else _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it with 401 or 403."""
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in _SAFE_METHODS:
            refusal = error_response(403, "PERMISSION_DENIED", "another web site may not send this request")
        elif self._digest is None:
            if _host_name(headers.get("host", "")) in _LOOPBACK_NAMES:
                await self._app(scope, receive, send)
                return
            refusal = error_response(
                403,
                "PERMISSION_DENIED",
                f"this server has no token and answers to localhost only, not to {headers.get('host', '')!r}",
            )
        elif any(hmac.compare_digest(self._digest, _digest(brought)) for brought in _brought(headers)):
            await self._app(scope, receive, send)
            return
        else:
            refusal = error_response(
                401,
                "UNAUTHENTICATED",
                "this server needs its token; send it as 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": 'Basic realm="Dodona: any name, the token as password", charset="UTF-8"'},
            )
        await refusal(scope, receive, send)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _host_name(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _brought(headers: Headers) -> Iterable[str]:
    """The secrets that a request brings."""
    if key := headers.get("x-goog-api-key"):
        yield key
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            yield credentials.strip()
        case "basic":
            try:
                yield base64.b64decode(credentials, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return
