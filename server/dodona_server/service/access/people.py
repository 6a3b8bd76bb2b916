"""People: who they are, and which roles they have. Each is a function of a transaction, as those about tokens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from dodona_server.domain.access.credentials import Person, check_name, check_project, check_role
from dodona_server.domain.access.roles import Principal, Role
from dodona_server.domain.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from dodona_server.service.access.tokens import check_grant
from dodona_server.storage.access import accounts
from dodona_server.storage.engine.store import Transaction

MAX_PEOPLE = 10_000


def create_person(
    transaction: Transaction, by: Principal, name: str, *, password: str, roles: Mapping[str, str]
) -> Person:
    """Add a person and return them.

    Args:
        transaction: to write in.
        by: who adds them; nobody gives roles that they do not have.
        name: the name that they sign in with.
        password: its hash; empty for a person whom another service signs in.
        roles: by project, or by `ALL`.

    Raises:
        InvalidArgument: the name or a role is not valid.
        PermissionDenied: a role is not for `by` to give.
        AlreadyExists: somebody has the name.
        FailedPrecondition: there are too many people.
    """
    check_name(name, "user")
    if name.startswith("oidc:"):
        raise InvalidArgument(f"{name!r} begins with the prefix of names from OpenID Connect", "user")
    if accounts.find_person(transaction, name) is not None:
        raise AlreadyExists(f"users/{name} exists already")
    if len(accounts.all_people(transaction)) >= MAX_PEOPLE:
        raise FailedPrecondition(f"there are {MAX_PEOPLE} users already, the maximum: remove some")
    given = {project: check_role(role, check_project(project)) for project, role in roles.items()}
    for project, role in given.items():
        check_grant(by, project, role)
    person = Person(name, bool(password), time.time(), by.name, given)
    accounts.insert_person(transaction, person, password)
    return person


def list_people(transaction: Transaction, by: Principal) -> Sequence[Person]:
    """Return the people with a role in the projects that `by` administers, by name."""
    projects = by.projects_of("list_users")
    found = accounts.all_people(transaction)
    if projects is None:
        return found
    own = [(person, {place: role for place, role in person.roles.items() if place in projects}) for person in found]
    return [
        Person(person.name, person.has_password, person.create_time, person.creator, roles)
        for person, roles in own
        if roles
    ]


def set_role(transaction: Transaction, by: Principal, name: str, *, project: str, role: str) -> Person:
    """Set a person's role in a project, or remove it if `role` is empty; return the person.

    Raises:
        InvalidArgument: there is no such role.
        PermissionDenied: the role, or the one that the person has, is not for `by` to give.
        NotFound: there is no such person.
    """
    check_project(project)
    given = check_role(role, project) if role else None
    found = accounts.find_person(transaction, name)
    if found is None:
        raise NotFound(f"users/{name} does not exist")
    for one in (given, found[0].roles.get(project)):
        if one is not None:
            check_grant(by, project, one)
    accounts.set_role(transaction, name, project, given)
    roles = {place: one for place, one in found[0].roles.items() if place != project}
    shown = {**roles, project: given} if given else roles
    projects = by.projects_of("list_users")
    visible = {place: one for place, one in shown.items() if projects is None or place in projects}
    return Person(name, found[0].has_password, found[0].create_time, found[0].creator, visible)


def set_password(transaction: Transaction, name: str, password: str) -> None:
    """Store the hash of a person's password; their sessions end.

    Raises:
        NotFound: there is no such person.
    """
    if accounts.find_person(transaction, name) is None:
        raise NotFound(f"users/{name} does not exist")
    accounts.set_password(transaction, name, password)


def delete_person(transaction: Transaction, name: str) -> None:
    """Delete a person; their sessions end.

    Raises:
        NotFound: there is no such person.
    """
    if accounts.find_person(transaction, name) is None:
        raise NotFound(f"users/{name} does not exist")
    accounts.delete_person(transaction, name)


def signed_in(transaction: Transaction, name: str, roles: Mapping[str, Role]) -> str:
    """Store a person whom another service has signed in, with these roles alone; return the owner of the session."""
    if accounts.find_person(transaction, name) is None:
        accounts.insert_person(transaction, Person(name, False, time.time(), "OpenID Connect", roles), "")
    else:
        set_roles(transaction, name, roles)
    return f"person:{name}"


def set_roles(transaction: Transaction, name: str, roles: Mapping[str, Role]) -> bool:
    """Replace a person's roles by these; return whether they had others."""
    found = accounts.find_person(transaction, name)
    if found is None or found[0].roles == roles:
        return False
    for project in {*found[0].roles, *roles}:
        accounts.set_role(transaction, name, project, roles.get(project))
    return True


def password_of(transaction: Transaction, name: str) -> str | None:
    """Return the hash of a person's password; None if there is no such person."""
    found = accounts.find_person(transaction, name)
    return None if found is None else found[1]


def still_has(transaction: Transaction, name: str, password: str | None) -> bool:
    """Return whether that is the hash of a person's password, until the transaction ends."""
    return password is not None and accounts.lock_password(transaction, name) == password


def principal_of(person: Person) -> Principal:
    """Return the principal that a person is."""
    return Principal(f"user {person.name!r}", tuple(sorted(person.roles.items())))
