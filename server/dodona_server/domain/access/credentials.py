"""Tokens and people: what is known of them, never their secrets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from dodona_server.domain.access.roles import ALL, Role
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import check_id

# So that people and tools that look for lost secrets recognize one.
PREFIX = "dod_"
_TOKEN = re.compile(r"dod_([0-9a-f]{12})_([0-9a-f]{40})")
MAX_NAME_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret; times are in seconds since the epoch.

    Args:
        token_id: part of the token that is no secret.
        name: for people.
        project: where its role holds; `ALL` for everywhere.
        role: what it allows.
        create_time: when it was made.
        creator: who made it.
        expire_time: when it ends; None if it is valid until somebody revokes it.
        use_time: when it was last used, to the hour; None before the first use.
    """

    token_id: str
    name: str
    project: str
    role: Role
    create_time: float
    creator: str
    expire_time: float | None = None
    use_time: float | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A person who signs in with a name; `roles` are by project. Times are in seconds since the epoch."""

    name: str
    has_password: bool
    create_time: float
    creator: str
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Secret:
    """A whole token, as its holder has it: an id and a secret part."""

    token_id: str
    secret: str

    @classmethod
    def make(cls) -> Secret:
        """Return a new one."""
        return cls(secrets.token_hex(6), secrets.token_hex(20))

    @classmethod
    def read(cls, text: str) -> Secret | None:
        """Return the token in a text; None if it is none of ours."""
        match = _TOKEN.fullmatch(text)
        return cls(match[1], match[2]) if match else None

    def __str__(self) -> str:
        return f"{PREFIX}{self.token_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Secret({self.token_id!r})"


def check_project(project: str) -> str:
    """Return the name of a project, or `ALL`.

    Raises:
        InvalidArgument: it can be neither.
    """
    return project if project == ALL else check_id(project, "project")


def check_name(name: str, field: str) -> str:
    """Return a name for people.

    Raises:
        InvalidArgument: it is empty, too long, or has characters that cannot be shown.
    """
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        problem = f"{name[:MAX_NAME_LENGTH]!r} is not a name; 1 to {MAX_NAME_LENGTH} printable characters are allowed"
        raise InvalidArgument(problem, field)
    return name


def check_role(text: str, project: str) -> Role:
    """Return the role of that name.

    Raises:
        InvalidArgument: there is none, or it does not hold in a single project.
    """
    try:
        role = Role(text.lower())
    except ValueError:
        raise InvalidArgument(f"{text!r} is not a role; use one of {', '.join(Role)}", "role") from None
    if role is Role.OPERATOR and project != ALL:
        raise InvalidArgument(f"{role} is a role on the whole server: leave the project out", "role")
    return role
