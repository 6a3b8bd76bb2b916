"""Make, list, rotate and revoke tokens. Each is a function of a transaction, for the API and for the command line."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from dodona_server.domain.access.credentials import Secret, Token, check_name, check_project, check_role
from dodona_server.domain.access.roles import ALL, Principal, Role
from dodona_server.domain.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from dodona_server.service.access.keys import Keys
from dodona_server.storage.access import accounts
from dodona_server.storage.engine.store import Transaction

# How long the old token is valid beside the new one, so that its users can change over.
OVERLAP_SECONDS = 24 * 3600.0
# All servers keep all tokens in memory.
MAX_TOKENS = 10_000
MAX_SECONDS = 100 * 366 * 24 * 3600.0


def create_token(
    transaction: Transaction,
    keys: Keys,
    by: Principal,
    name: str,
    *,
    project: str = ALL,
    role: str,
    seconds: float | None = None,
) -> tuple[Token, Secret]:
    """Create a token, and return it with its secret, which is stored nowhere.

    Args:
        transaction: to write in.
        keys: make its digest.
        by: who makes it; nobody makes one that may do more than they may themselves.
        name: for people.
        project: where its role holds; `ALL` for everywhere.
        role: the name of a role.
        seconds: how long it is valid; None until somebody revokes it.

    Raises:
        InvalidArgument: a field is not valid.
        PermissionDenied: it would allow what `by` may not do.
        FailedPrecondition: there are too many tokens.
    """
    check_name(name, "display_name")
    allowed = check_role(role, check_project(project))
    check_grant(by, project, allowed)
    if seconds is not None and not 0 < seconds <= MAX_SECONDS:
        raise InvalidArgument(f"{seconds} seconds; more than 0 and at most 100 years are allowed", "lifetime")
    if len(accounts.all_tokens(transaction)) >= MAX_TOKENS:
        raise FailedPrecondition(f"there are {MAX_TOKENS} tokens already, the maximum: revoke some")
    now, secret = time.time(), Secret.make()
    expire_time = None if seconds is None else now + seconds
    token = Token(secret.token_id, name, project, allowed, now, by.name, expire_time)
    accounts.insert_token(transaction, token, keys.digest(secret))
    return token, secret


def check_grant(by: Principal, project: str, role: Role) -> None:
    """Check that a role in a project is one that `by` may give to others.

    Raises:
        PermissionDenied: it is not.
    """
    own = {have for place, have in by.roles if place in (ALL, project)}
    if Role.OPERATOR in own or (Role.ADMIN in own and role is not Role.OPERATOR):
        return
    where = "in all projects" if project == ALL else f"in the project {project!r}"
    raise PermissionDenied(f"{by.name} cannot assign the role {role} {where}")


def list_tokens(transaction: Transaction, by: Principal) -> Sequence[Token]:
    """Return the tokens of the projects that `by` administers, in the order of creation."""
    projects = by.projects_of("list_tokens")
    tokens = [token for token, _ in accounts.all_tokens(transaction)]
    return [token for token in tokens if projects is None or token.project in projects]


def revoke_token(transaction: Transaction, by: Principal, token_id: str) -> Token:
    """Revoke a token now, and return it; one that has ended stays as it is.

    Raises:
        NotFound: there is none in the projects of `by`.
        PermissionDenied: it may do more than `by` may.
    """
    token = _own(transaction, by, token_id)
    now = time.time()
    if _has_ended(token, now):
        return token
    accounts.end_token(transaction, token_id, now)
    return dataclasses.replace(token, expire_time=now)


def rotate_token(
    transaction: Transaction, keys: Keys, by: Principal, token_id: str, overlap_seconds: float = OVERLAP_SECONDS
) -> tuple[Token, Secret]:
    """Create another token like this one, which ends after `overlap_seconds`; return the new one with its secret.

    Raises:
        NotFound: there is none in the projects of `by`.
        PermissionDenied: it may do more than `by` may.
        FailedPrecondition: it has ended.
        InvalidArgument: the overlap is negative or too long.
    """
    token = _own(transaction, by, token_id)
    now = time.time()
    if _has_ended(token, now):
        raise FailedPrecondition(f"the token {token_id} has ended: create a new one")
    if not 0 <= overlap_seconds <= MAX_SECONDS:
        raise InvalidArgument(f"{overlap_seconds} seconds; 0 to 100 years are allowed", "overlap")
    lifetime = None if token.expire_time is None else token.expire_time - token.create_time
    made = create_token(
        transaction, keys, by, token.name, project=token.project, role=token.role.value, seconds=lifetime
    )
    end = now + overlap_seconds
    accounts.end_token(transaction, token_id, end if token.expire_time is None else min(end, token.expire_time))
    return made


def has_operator(transaction: Transaction) -> bool:
    """Return whether a token or a user may do everything on the server, or ever could."""
    tokens = any(token.role is Role.OPERATOR for token, _ in accounts.all_tokens(transaction))
    return tokens or any(Role.OPERATOR in person.roles.values() for person in accounts.all_people(transaction))


def _own(transaction: Transaction, by: Principal, token_id: str) -> Token:
    token = accounts.lock_token(transaction, token_id)
    projects = by.projects_of("list_tokens")
    if token is None or (projects is not None and token.project not in projects):
        raise NotFound(f"tokens/{token_id} does not exist")
    check_grant(by, token.project, token.role)
    return token


def _has_ended(token: Token, now: float) -> bool:
    return token.expire_time is not None and token.expire_time <= now
