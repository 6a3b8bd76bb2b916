"""Tokens and users as the API shows them; the commands of administrators show them too."""

from __future__ import annotations

from dodona_schemas import access as wire
from dodona_server.api.front.shared import timestamp
from dodona_server.domain.access.credentials import Person, Secret, Token
from dodona_server.domain.access.roles import ALL


def token_message(token: Token, secret: Secret | None = None) -> wire.Token:
    """Return a token as the API shows it."""
    return wire.Token(
        name=f"tokens/{token.token_id}",
        display_name=token.name,
        project=project_in(token),
        role=token.role.value,
        creator=token.creator,
        create_time=timestamp(token.create_time),
        expire_time=None if token.expire_time is None else timestamp(token.expire_time),
        use_time=None if token.use_time is None else timestamp(token.use_time),
        secret="" if secret is None else str(secret),
    )


def project_in(token: Token) -> str:
    """Return the project that a token is limited to; empty for all."""
    return "" if token.project == ALL else token.project


def user_message(person: Person) -> wire.User:
    """Return a user as the API shows them."""
    return wire.User(
        name=f"users/{person.name}",
        creator=person.creator,
        create_time=timestamp(person.create_time),
        memberships=[
            wire.Membership(project="" if project == ALL else project, role=role.value)
            for project, role in person.roles.items()
        ],
    )
