"""Who makes a request: `Guard` finds it out, each route checks it, and whatever handles the request can ask for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api.errors import domain_response
from dodona_server.domain.access import ANYONE, RULES, Principal
from dodona_server.domain.errors import DodonaError


def remember(scope: Scope, principal: Principal) -> None:
    """Store the principal of a request in its scope, and in those that are made from it."""
    scope.setdefault("state", {})["principal"] = principal


def principal_of(scope: Scope) -> Principal:
    """Return the principal of a request that has passed `Guard`."""
    principal: Principal = scope["state"]["principal"]
    return principal


async def _principal(request: Request) -> Principal:
    return principal_of(request.scope)


OfPrincipal = Annotated[Principal, Depends(_principal)]


def checked(name: str, app: ASGIApp) -> ASGIApp:
    """Return the part of a route that answers the call of that name, behind a check of the principal's roles."""
    if RULES[name] is ANYONE:
        return app

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal_of(scope).check(name, scope["path_params"].get("project"))
        except DodonaError as error:
            await domain_response(error)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return check
