"""Who makes a request: `Guard` finds it out, and whatever handles the request can ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who makes requests.

    Args:
        name: how the server's log calls them.
    """

    name: str


# Anyone who reaches a server without a token, which listens on loopback only; or who asks whether a server is alive.
ANONYMOUS = Principal("anonymous")
TOKEN_HOLDER = Principal("the holder of the token")


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
