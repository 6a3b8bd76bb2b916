"""Calls about tokens."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request, Response

from dodona_schemas import access as wire
from dodona_schemas.vertex import Empty
from dodona_server.api.access.messages import project_in, token_message
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.principal import note
from dodona_server.api.front.route import OfPrincipal, Routes
from dodona_server.domain.access.roles import ALL
from dodona_server.parts import Access
from dodona_server.service.access import tokens

T = TypeVar("T")

routes = Routes(Dialect.OWN)


@routes.serve
async def create_token(request: Request, body: wire.CreateTokenRequest, access: Access, by: OfPrincipal) -> Response:
    """Create a token; the answer is the only one with its secret."""
    project, seconds = body.project or ALL, body.lifetime
    made = await access.change(
        lambda transaction, keys: tokens.create_token(
            transaction, keys, by, body.display_name, project=project, role=body.role, seconds=seconds
        )
    )
    note(request.scope, target=f"tokens/{made[0].token_id}", project=body.project)
    return Answer(token_message(*made))


@routes.serve
async def list_tokens(access: Access, by: OfPrincipal) -> Response:
    """List the tokens of the projects that the caller administers; those that have ended stay for a month."""
    listed = await access.read(lambda transaction: tokens.list_tokens(transaction, by))
    return Answer(wire.ListTokensResponse(tokens=[token_message(token) for token in listed]))


@routes.serve
async def revoke_token(request: Request, token: str, access: Access, by: OfPrincipal) -> Response:
    """Revoke a token; within a second no server of the database accepts it."""
    ended = await access.change(lambda transaction, _: tokens.revoke_token(transaction, by, token))
    note(request.scope, target=f"tokens/{token}", project=project_in(ended))
    return Answer(Empty())


@routes.serve
async def rotate_token(
    request: Request, token: str, body: wire.RotateTokenRequest, access: Access, by: OfPrincipal
) -> Response:
    """Create another token like this one, which stays valid for a while."""
    overlap = tokens.OVERLAP_SECONDS if body.overlap is None else body.overlap
    made = await access.change(lambda transaction, keys: tokens.rotate_token(transaction, keys, by, token, overlap))
    target = f"tokens/{token}, replaced by tokens/{made[0].token_id}"
    note(request.scope, target=target, project=project_in(made[0]))
    return Answer(token_message(*made))
