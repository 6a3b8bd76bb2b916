"""Authentication: a guard before all routes finds out who makes a request; the routes check what they may do.

Unless the server is open, every request must send a token: as `Authorization: Bearer`, as `x-goog-api-key` or `?key=`
(what Google's clients send for an API key) or as the password of HTTP Basic. An open server answers under the names of
its own machine only. In all cases, the guard keeps pages of other web sites from changing anything through a person's
browser: a browser names the page's origin with each such request, and no other client does.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import functools
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api.calls.table import CALLS, STATIC
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.principal import KNOWN_SECONDS, address_in, is_known, remember
from dodona_server.api.guard import proxies
from dodona_server.api.guard.proxies import Proxies
from dodona_server.api.guard.refused_tokens import RefusedTokens
from dodona_server.domain.access.roles import ANONYMOUS, ANYONE, NOBODY, RULES, Principal
from dodona_server.domain.errors import Unavailable
from dodona_server.service.access.audit import AuditLog, entry_of
from dodona_server.service.access.gate import Gate

# Answers without information: a container's health check does not know the token.
_OPEN_PATHS = {call.path for call in CALLS if RULES[call.name] is ANYONE}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_LOOKED_AT = {
    b"host",
    b"origin",
    b"sec-fetch-site",
    b"authorization",
    b"x-goog-api-key",
    b"cookie",
} | proxies.HEADERS
# Sent by a browser for a page of this server, and for an address that a person typed.
_OWN_SITES = {"same-origin", "none"}
# The cookie of a session in a browser.
COOKIE = "dodona_session"
# RFC 3986 without the parts that no browser sends: a name or an address, and an optional port.
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Headers = Mapping[bytes, list[str]]


class Guard:
    """ASGI middleware that passes requests on with their principal, and refuses those that have none.

    Args:
        app: the guarded application.
        gate: knows the principals.
        proxies: the trusted proxies.
        audit: the log of refusals.
    """

    def __init__(self, app: ASGIApp, gate: Gate, proxies: Proxies, audit: AuditLog) -> None:
        self._app = app
        self._gate = gate
        self._proxies = proxies
        self._audit = audit
        self._refused = RefusedTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with an error."""
        headers = _headers(scope)
        if not proxies.HEADERS.isdisjoint(headers):
            await self._proxies.apply(scope, receive, send)
        path = scope["path"]
        found: Principal | Response | None = self._wrong_site(scope, headers)
        if found is None:
            is_open = path in _OPEN_PATHS or path.startswith(STATIC)
            found = NOBODY if is_open else await self._principal(scope, headers)
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        if found in (ANONYMOUS, NOBODY):
            remember(scope, found)
            await self._app(scope, receive, send)
            return
        remember(scope, found, functools.partial(self._known, headers, scope["query_string"]))
        # No answer to a POST takes long, but that of a call that waits for a trial: it looks itself.
        await (self._app if scope["method"] == "POST" else self._while_known)(scope, receive, send)

    async def _while_known(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a stream, a download or an upload ends when its principal has lost a role."""
        answering = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            while not answering.done():
                await asyncio.wait([answering], timeout=KNOWN_SECONDS)
                if not answering.done() and not is_known(scope):
                    return
            await answering
        finally:
            if not answering.done():
                answering.cancel()
                await asyncio.wait([answering])

    def _known(self, headers: Headers, query: bytes) -> Principal | None:
        known = (self._gate.principal(secret) for secret in _secrets(headers, query))
        of_sessions = (self._gate.of_session(text) for text in _cookies(headers))
        return next((one for one in (*known, *of_sessions) if one is not None), None)

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

    async def _principal(self, scope: Scope, headers: Headers) -> Principal | Response:
        """Return the principal of the request, or the refusal of one with a wrong token or none."""
        secrets = list(_secrets(headers, scope["query_string"]))
        for secret in secrets:
            if (found := self._gate.principal(secret)) is not None:
                return found
        for secret in secrets:
            if (found := await self._gate.find(secret)) is not None:
                return found
        if (signed_in := await self._session(scope, headers)) is not None:
            return signed_in
        return self._stranger(scope, headers) if self._gate.is_open else await self._refusal(scope, bool(secrets))

    async def _session(self, scope: Scope, headers: Headers) -> Principal | Response | None:
        """Return who has signed in, in the browser that sends the request; None if nobody has."""
        found = None
        for text in _cookies(headers):
            found = found or await self._gate.find_session(text)
        if found is None or scope["method"] in _SAFE_METHODS or b"origin" in headers or b"sec-fetch-site" in headers:
            return found
        return _forbidden("a request with a session must name the page that sends it in Origin or Sec-Fetch-Site")

    def _stranger(self, scope: Scope, headers: Headers) -> Principal | Response:
        """Return the principal of a request to a server that needs no token."""
        host = headers.get(b"host", [""])[0]
        if self._gate.is_insecure or _is_this_machine(host, scope["scheme"]):
            return ANONYMOUS
        return _forbidden(f"this server has no token and answers to localhost only, not to {host!r}")

    async def _refusal(self, scope: Scope, wrong: bool) -> Response:
        """Return the refusal of a client with a wrong token, or none if not `wrong`."""
        if wrong:
            with contextlib.suppress(Unavailable):
                address = address_in(scope)
                await self._audit.record_refusal(
                    entry_of("", address, "authenticate", "", scope["path"], "refused: 401")
                )
        if not await self._refused.refuse(scope, wrong=wrong):
            message = "too many wrong tokens came from this address"
            return error_response(429, "RESOURCE_EXHAUSTED", message, {"Connection": "close"})
        message = (
            "the token is not this server's: set DODONA_TOKEN to one that is; it may have expired, or was revoked"
            if wrong
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
        """Whether the host can only mean this machine."""
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


# Each request of the trial loop asks, and hardly any with another host.
@functools.lru_cache(maxsize=256)
def _is_this_machine(host: str, scheme: str) -> bool:
    own = read_host(host, scheme)
    return own is not None and own.is_loopback


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


def _cookies(headers: Headers) -> Iterable[str]:
    """Return the secrets of sessions that a request sends; a browser may have one for each path."""
    for header in headers.get(b"cookie", ()):
        for cookie in header.split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == COOKIE:
                yield value


def _forbidden(message: str) -> Response:
    return error_response(403, "PERMISSION_DENIED", message)


def _secrets(headers: Headers, query: bytes) -> Iterable[str]:
    """Return the secrets that a request sends."""
    yield from headers.get(b"x-goog-api-key", ())
    if b"key=" in query:
        # Some of Google's clients send an API key so.
        yield from parse_qs(query.decode("latin-1")).get("key", ())
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
