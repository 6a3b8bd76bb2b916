"""Signing in and out, in a browser: a session's secret is in a cookie that no script can read."""

from __future__ import annotations

import asyncio

from fastapi import Request, Response

from dodona_schemas import access as wire
from dodona_schemas.vertex import EmptyRequest
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.errors import NOSNIFF, error_response
from dodona_server.api.front.principal import note
from dodona_server.api.front.route import OfPrincipal, Routes
from dodona_server.api.guard.refused_tokens import RefusedTokens
from dodona_server.api.guard.security import COOKIE
from dodona_server.aside import aside
from dodona_server.domain.access.credentials import Secret
from dodona_server.parts import Access, SignIns
from dodona_server.service.access import passwords, people, sessions
from dodona_server.service.access.keys import Keys
from dodona_server.storage.engine.store import Transaction

# Each takes memory and a quarter of a second.
MAX_WAITING = 16

routes = Routes(Dialect.OWN)


class PasswordChecks:
    """Checks of passwords, one at a time, and the tries that were wrong."""

    def __init__(self) -> None:
        self.refused = RefusedTokens()
        self._one = asyncio.Lock()
        self._waiting = 0

    async def is_right(self, password: str, hashed: str | None) -> bool | None:
        """Return whether a password is right; None if too many wait already."""
        if self._waiting >= MAX_WAITING:
            return None
        self._waiting += 1
        try:
            async with self._one:
                return await aside(passwords.is_right, password, hashed)
        finally:
            self._waiting -= 1


@routes.serve
async def sign_in(request: Request, body: wire.SignInRequest, access: Access, checks: SignIns) -> Response:
    """Begin a session, by a name and its password, or by a token."""
    note(request.scope, actor=f"user {body.user!r}" if body.user else "a token", target="a session")
    hashed = await access.read(lambda transaction: people.password_of(transaction, body.user)) if body.user else None
    owner = await (_person(checks, body, hashed) if body.user else access.owner_of(body.password))
    if not owner:
        if owner is None and await checks.refused.refuse(request.scope, wrong=True, name=body.user):
            return _wrong(body)
        return error_response(429, "RESOURCE_EXHAUSTED", "too many tries; try again in a minute", {"Retry-After": "60"})
    name = owner

    def begin(transaction: Transaction, keys: Keys) -> Secret | None:
        # The check takes long: the person may have another password by now, which has ended all sessions.
        if body.user and not people.still_has(transaction, body.user, hashed):
            return None
        return sessions.begin(transaction, keys, name)

    secret = await access.change(begin)
    if secret is None:
        return _wrong(body)
    note(request.scope, actor=owner, target="a session")
    answer = _done()
    set_session(request, answer, secret)
    return answer


@routes.serve
async def sign_out(request: Request, _body: EmptyRequest, access: Access, by: OfPrincipal) -> Response:
    """End the session."""
    if by.session:
        await access.change(lambda transaction, _: sessions.end(transaction, by.session))
    answer = _done()
    answer.delete_cookie(COOKIE, path=request.scope.get("root_path") or "/", httponly=True, samesite="lax")
    return answer


def set_session(request: Request, answer: Response, secret: Secret) -> None:
    """Set the cookie of a session in the answer."""
    answer.set_cookie(
        COOKIE,
        str(secret),
        max_age=int(sessions.LIFETIME_SECONDS),
        path=request.scope.get("root_path") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


async def _person(checks: PasswordChecks, body: wire.SignInRequest, hashed: str | None) -> str | None:
    """Return the owner of the session; None if the name or the password is wrong, "" if too many wait."""
    right = await checks.is_right(body.password, hashed)
    if right is None:
        return ""
    return f"person:{body.user}" if right else None


def _wrong(body: wire.SignInRequest) -> Response:
    message = "the name or the password is wrong" if body.user else "the token is not this server's"
    return error_response(401, "UNAUTHENTICATED", message)


def _done() -> Response:
    return Response(b"{}", media_type="application/json", headers={**NOSNIFF, "Cache-Control": "no-store"})
