"""Calls about users."""

from __future__ import annotations

from fastapi import Request, Response

from dodona_schemas import access as wire
from dodona_schemas.vertex import Empty
from dodona_server.api.access.messages import user_message
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.principal import note
from dodona_server.api.front.route import OfPrincipal, Routes
from dodona_server.aside import aside
from dodona_server.domain.access.roles import ALL
from dodona_server.parts import Access
from dodona_server.service.access import passwords, people

routes = Routes(Dialect.OWN)


@routes.serve
async def create_user(request: Request, body: wire.CreateUserRequest, access: Access, by: OfPrincipal) -> Response:
    """Add a user."""
    note(request.scope, target=f"users/{body.user}")
    password = await aside(passwords.hashed, body.password) if body.password else ""
    roles = {one.project or ALL: one.role for one in body.memberships}
    made = await access.change(
        lambda transaction, _: people.create_person(transaction, by, body.user, password=password, roles=roles)
    )
    return Answer(user_message(made))


@routes.serve
async def list_users(access: Access, by: OfPrincipal) -> Response:
    """List the users of the projects that the caller administers."""
    listed = await access.read(lambda transaction: people.list_people(transaction, by))
    return Answer(wire.ListUsersResponse(users=[user_message(one) for one in listed]))


@routes.serve
async def set_role(request: Request, user: str, body: wire.SetRoleRequest, access: Access, by: OfPrincipal) -> Response:
    """Set a user's role in a project, or remove it."""
    note(request.scope, target=f"users/{user}: {body.role or 'no role'}", project=body.project)
    project = body.project or ALL
    changed = await access.change(
        lambda transaction, _: people.set_role(transaction, by, user, project=project, role=body.role)
    )
    return Answer(user_message(changed))


@routes.serve
async def set_password(user: str, body: wire.SetPasswordRequest, access: Access) -> Response:
    """Change a user's password; the user's sessions end."""
    password = await aside(passwords.hashed, body.password)
    await access.change(lambda transaction, _: people.set_password(transaction, user, password))
    return Answer(Empty())


@routes.serve
async def delete_user(user: str, access: Access) -> Response:
    """Delete a user; the user's sessions end."""
    await access.change(lambda transaction, _: people.delete_person(transaction, user))
    return Answer(Empty())
