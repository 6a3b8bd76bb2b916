"""Authentication: a guard before all routes.

If a token is configured, every request must send it: as `Authorization: Bearer`, as `x-goog-api-key` (what Google's
clients send for an API key) or as the password of HTTP Basic (what a browser asks a person for). Without a token the
server listens on loopback only. In both cases, the guard keeps pages of other web sites from changing anything
through a person's browser: a browser names the page's origin with each such request, and no other client does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api import proxies
from dodona_server.api.calls import CALLS, STATIC
from dodona_server.api.errors import error_response
from dodona_server.api.principal import remember
from dodona_server.api.proxies import Proxies
from dodona_server.api.refused_tokens import RefusedTokens
from dodona_server.domain.access import ANONYMOUS, ANYONE, RULES, TOKEN_HOLDER

# Answers without information: a container's health check does not know the token.
_OPEN_PATHS = {call.path for call in CALLS if RULES[call.name] is ANYONE}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_LOOKED_AT = {b"host", b"origin", b"sec-fetch-site", b"authorization", b"x-goog-api-key"} | proxies.HEADERS
# Sent by a browser for a page of this server, and for an address that a person typed.
_OWN_SITES = {"same-origin", "none"}
# RFC 3986 without the parts that no browser sends: a name or an address, and an optional port.
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Headers = Mapping[bytes, list[str]]


class Guard:
    """ASGI middleware that passes authorized requests on, with their principal, and refuses the others.

    Args:
        app: the guarded application.
        token: the secret that requests must send; None for a server on loopback.
        proxies: the trusted proxies.
    """

    def __init__(self, app: ASGIApp, token: str | None, proxies: Proxies) -> None:
        self._app = app
        self._digest = None if token is None else _digest(token)
        self._principal = ANONYMOUS if token is None else TOKEN_HOLDER
        self._proxies = proxies
        self._refused = RefusedTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with an error."""
        headers = _headers(scope)
        if not proxies.HEADERS.isdisjoint(headers):
            await self._proxies.apply(scope, receive, send)
        refusal, principal = None, ANONYMOUS
        path = scope["path"]
        if path not in _OPEN_PATHS and not path.startswith(STATIC):
            refusal = self._wrong_site(scope, headers) or await self._wrong_client(scope, headers)
            principal = self._principal
        remember(scope, principal)
        await (refusal or self._app)(scope, receive, send)

    def _wrong_site(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a change that a page of another web site requests, or None."""
        if len(headers.get(b"host", ())) > 1:
            return error_response(400, "INVALID_ARGUMENT", "the request has more than one Host header")
        if scope["method"] in _SAFE_METHODS:
            return None
        if not _OWN_SITES.issuperset(headers.get(b"sec-fetch-site", ())):
            return _forbidden("another web site may not send this request")
        origins = headers.get(b"origin")
        if origins is None:
            return None
        host = headers.get(b"host", [""])[0]
        own = read_host(host, scope["scheme"])
        if own is not None and all(_read_origin(origin) == (scope["scheme"], own) for origin in origins):
            return None
        return _forbidden(
            f"a page of {', '.join(origins)!r} may not send this request: it reached this server as "
            f"'{scope['scheme']}://{host}'. A proxy must pass on Host and X-Forwarded-Proto, and "
            "FORWARDED_ALLOW_IPS must name it"
        )

    async def _wrong_client(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a client with a wrong token or none, or None."""
        if self._digest is None:
            host = headers.get(b"host", [""])[0]
            own = read_host(host, scope["scheme"])
            if own is not None and own.is_loopback:
                return None
            return _forbidden(f"this server has no token and answers to localhost only, not to {host!r}")
        secrets = list(_secrets(headers))
        if any(hmac.compare_digest(self._digest, _digest(one)) for one in secrets):
            return None
        if not await self._refused.refuse(scope, wrong=bool(secrets)):
            message = "too many wrong tokens came from this address"
            return error_response(429, "RESOURCE_EXHAUSTED", message, {"Connection": "close", "Retry-After": "10"})
        message = (
            "the token is not this server's: set DODONA_TOKEN to the one that the server was started with"
            if secrets
            else "this server needs its token: set DODONA_TOKEN, or send it as 'Authorization: Bearer TOKEN'"
        )
        return error_response(
            401,
            "UNAUTHENTICATED",
            message,
            {"WWW-Authenticate": 'Basic realm="Dodona: any name, the token as password", charset="UTF-8"'},
        )


@dataclass(frozen=True, slots=True)
class Host:
    """A name or an address, and a port."""

    name: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Return whether the host can only mean this machine."""
        if self.name == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.name.strip("[]")).is_loopback
        except ValueError:
            return False


def read_host(text: str, scheme: str) -> Host | None:
    """Return the host in the Host header of a request with that scheme; None if the header names none."""
    match = _AUTHORITY.fullmatch(text.lower())
    if match is None or scheme not in _DEFAULT_PORTS:
        return None
    name, port = match[1], int(match[2] or _DEFAULT_PORTS[scheme])
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1])}]"
        except ValueError:
            return None
    return Host(name, port) if port < 2**16 else None


def _read_origin(text: str) -> tuple[str, Host | None]:
    scheme, _, host = text.lower().partition("://")
    return scheme, read_host(host, scheme)


def _headers(scope: Scope) -> Headers:
    """Return the headers that matter here; each may occur several times."""
    headers: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        if name in _LOOKED_AT:
            headers.setdefault(name, []).append(value.decode("latin-1"))
    return headers


def _forbidden(message: str) -> Response:
    return error_response(403, "PERMISSION_DENIED", message)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _secrets(headers: Headers) -> Iterable[str]:
    """Return the secrets that a request sends."""
    yield from headers.get(b"x-goog-api-key", ())
    for authorization in headers.get(b"authorization", ()):
        scheme, _, credentials = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                yield credentials.strip()
            case "basic":
                try:
                    yield base64.b64decode(credentials, validate=True).decode().partition(":")[2]
                except (binascii.Error, UnicodeDecodeError):
                    yield ""
