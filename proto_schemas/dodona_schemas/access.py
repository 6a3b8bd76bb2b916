"""Tokens and users: Dodona's own, in the style of Vertex."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Duration, WireModel


class Caller(WireModel):
    """Caller, with the roles and the names of the calls that are allowed in the project."""

    name: str = ""
    roles: list[str] = []
    calls: list[str] = []


class Token(WireModel):
    """A token. Only the answer to the call that makes it has its secret."""

    name: str = ""
    display_name: str = ""
    project: str = ""
    role: str = ""
    creator: str = ""
    create_time: datetime | None = None
    expire_time: datetime | None = None
    use_time: datetime | None = None
    secret: str = ""


class CreateTokenRequest(WireModel):
    """A token to make; without a project it holds in all of them, without a lifetime until it is revoked."""

    display_name: str = ""
    project: str = ""
    role: str = ""
    lifetime: Duration | None = None


class RotateTokenRequest(WireModel):
    """A token to replace; the old one is valid for the overlap, by default a day."""

    overlap: Duration | None = None


class ListTokensResponse(WireModel):
    """All tokens that the caller administers."""

    tokens: list[Token] = []


class Membership(WireModel):
    """A role of a user; without a project it holds in all of them."""

    project: str = ""
    role: str = ""


class User(WireModel):
    """A person who signs in with a name."""

    name: str = ""
    creator: str = ""
    create_time: datetime | None = None
    memberships: list[Membership] = []


class CreateUserRequest(WireModel):
    """A user to add; one without a password signs in through another service."""

    user: str = ""
    password: str = ""
    memberships: list[Membership] = []


class SetRoleRequest(WireModel):
    """A role to give to a user; without a role, the one in the project is taken away."""

    project: str = ""
    role: str = ""


class SetPasswordRequest(WireModel):
    """A new password; the user's sessions end."""

    password: str = ""


class ListUsersResponse(WireModel):
    """All users of the projects that the caller administers."""

    users: list[User] = []


class SignInRequest(WireModel):
    """A name with its password, or a token as the password without a name."""

    user: str = ""
    password: str = ""


class AuditEntry(WireModel):
    """Entry of the audit log: when, who, from where, which call, on what, and how it ended."""

    time: datetime | None = None
    actor: str = ""
    address: str = ""
    action: str = ""
    project: str = ""
    target: str = ""
    outcome: str = ""


class ListAuditResponse(WireModel):
    """A page of the audit log, the latest entries first."""

    entries: list[AuditEntry] = []
    next_page_token: str = ""
