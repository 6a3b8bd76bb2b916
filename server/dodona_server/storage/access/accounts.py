"""Tokens, people and sessions in the database. Plain statements: none of them is part of the trial loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from dodona_server.domain.access.credentials import Person, Token
from dodona_server.domain.access.roles import Role
from dodona_server.storage.engine.statement import insert_into
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.access import access, members, people, sessions, tokens

_ROW = 1


@dataclass(frozen=True, slots=True)
class Digest:
    """A keyed hash of a secret, and the id of its key."""

    value: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in; times are in seconds since the epoch."""

    session_id: str
    owner: str
    create_time: float
    expire_time: float
    use_time: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A session that another service has to confirm; times are in seconds since the epoch.

    Args:
        session_id: its id.
        owner: who has signed in.
        create_time: when it began.
        check_time: when to ask.
        sealed: what to ask with, sealed with the server's secret.
    """

    session_id: str
    owner: str
    create_time: float
    check_time: float
    sealed: str


def version(transaction: Transaction) -> int:
    """Return a number that every change of tokens, people and sessions counts up."""
    return transaction.execute(sa.select(access.c.version)).scalar() or 0


def count_up(transaction: Transaction) -> None:
    """Increment the version, so that all servers of the database see the change."""
    first = insert_into(access, transaction.dialect.name).values(key=_ROW, version=1)
    transaction.execute(first.on_conflict_do_update(index_elements=["key"], set_={"version": access.c.version + 1}))


def stored_secret(transaction: Transaction) -> str | None:
    """Return the key of all digests if the database holds it."""
    return transaction.execute(sa.select(access.c.secret)).scalar()


def store_secret(transaction: Transaction, secret: str) -> str:
    """Store the key of all digests, unless another server has stored one meanwhile; return what is stored now."""
    # This locks the row: the condition sees what another server has just committed.
    count_up(transaction)
    transaction.execute(access.update().where(access.c.secret.is_(None)).values(secret=secret))
    stored: str = transaction.execute(sa.select(access.c.secret)).scalar_one()
    return stored


def insert_token(transaction: Transaction, token: Token, digest: Digest) -> None:
    """Store a token."""
    transaction.execute(
        tokens.insert().values(
            token_id=token.token_id,
            name=token.name,
            project=token.project,
            role=token.role.value,
            digest=digest.value,
            key_id=digest.key_id,
            create_time=token.create_time,
            creator=token.creator,
            expire_time=token.expire_time,
        )
    )
    count_up(transaction)


def lock_token(transaction: Transaction, token_id: str) -> Token | None:
    """Return a token; None if there is none. Nobody else changes it in this transaction."""
    query = sa.select(tokens).where(tokens.c.token_id == token_id).with_for_update()
    row = transaction.execute(query).mappings().first()
    return None if row is None else _token(row)


def all_tokens(transaction: Transaction) -> list[tuple[Token, Digest]]:
    """Return all tokens in the order of creation."""
    rows = transaction.execute(sa.select(tokens).order_by(tokens.c.create_time, tokens.c.token_id)).mappings()
    return [(_token(row), Digest(row["digest"], row["key_id"])) for row in rows]


def end_token(transaction: Transaction, token_id: str, expire_time: float) -> None:
    """Set the time when a token ends."""
    transaction.execute(tokens.update().where(tokens.c.token_id == token_id).values(expire_time=expire_time))
    count_up(transaction)


def note_use(transaction: Transaction, used: Mapping[str, float]) -> None:
    """Store when tokens and sessions were last used, by their ids; servers need not know at once."""
    for one, time in used.items():
        transaction.execute(tokens.update().where(tokens.c.token_id == one).values(use_time=time))
        transaction.execute(sessions.update().where(sessions.c.session_id == one).values(use_time=time))


def insert_person(transaction: Transaction, person: Person, password: str) -> None:
    """Store a person with their roles and the hash of their password; it is empty if they have none."""
    transaction.execute(
        people.insert().values(
            name=person.name, password=password, create_time=person.create_time, creator=person.creator
        )
    )
    for project, role in person.roles.items():
        set_role(transaction, person.name, project, role)
    count_up(transaction)


def find_person(transaction: Transaction, name: str) -> tuple[Person, str] | None:
    """Return a person and the hash of their password; None if there is no such person."""
    row = transaction.execute(sa.select(people).where(people.c.name == name)).mappings().first()
    return None if row is None else (_person(row, _roles(transaction, name).get(name, {})), row["password"])


def all_people(transaction: Transaction) -> list[Person]:
    """Return all people by name."""
    roles = _roles(transaction)
    rows = transaction.execute(sa.select(people).order_by(people.c.name)).mappings()
    return [_person(row, roles.get(row["name"], {})) for row in rows]


def lock_password(transaction: Transaction, name: str) -> str | None:
    """Return the hash of a person's password; None without such a person. Nobody changes it in this transaction."""
    query = sa.select(people.c.password).where(people.c.name == name).with_for_update(read=True)
    return transaction.execute(query).scalar()


def set_password(transaction: Transaction, name: str, password: str) -> None:
    """Store the hash of a person's password, and end their sessions."""
    transaction.execute(people.update().where(people.c.name == name).values(password=password))
    end_sessions_of(transaction, f"person:{name}")


def set_role(transaction: Transaction, name: str, project: str, role: Role | None) -> None:
    """Store a person's role in a project; None takes it away."""
    transaction.execute(members.delete().where(members.c.person == name, members.c.project == project))
    if role is not None:
        transaction.execute(members.insert().values(person=name, project=project, role=role.value))
    count_up(transaction)


def delete_person(transaction: Transaction, name: str) -> None:
    """Delete a person with their roles and sessions."""
    transaction.execute(members.delete().where(members.c.person == name))
    transaction.execute(people.delete().where(people.c.name == name))
    end_sessions_of(transaction, f"person:{name}")


def insert_session(transaction: Transaction, session: Session, digest: Digest) -> None:
    """Store a session."""
    transaction.execute(
        sessions.insert().values(
            session_id=session.session_id,
            digest=digest.value,
            key_id=digest.key_id,
            owner=session.owner,
            create_time=session.create_time,
            expire_time=session.expire_time,
            use_time=session.use_time,
        )
    )
    count_up(transaction)


def all_sessions(transaction: Transaction, now: float) -> list[tuple[Session, Digest]]:
    """Return all sessions that have not expired."""
    rows = transaction.execute(sa.select(sessions).where(sessions.c.expire_time > now)).mappings()
    return [(_session(row), Digest(row["digest"], row["key_id"])) for row in rows]


def set_check(transaction: Transaction, session_id: str, sealed: str, check_time: float) -> None:
    """Store what to ask another service with about a session, and when; servers need not know."""
    own = sessions.update().where(sessions.c.session_id == session_id)
    transaction.execute(own.values(sealed=sealed, check_time=check_time))


def to_check(transaction: Transaction, now: float, used_since: float, key_id: str, limit: int) -> list[Checked]:
    """Return up to `limit` sessions that are to be confirmed now, those that have waited longest first.

    Args:
        transaction: to read in.
        now: the time.
        used_since: only sessions that were used since then.
        key_id: of the key that sealed what to ask with.
        limit: how many at most.
    """
    columns = (sessions.c.session_id, sessions.c.owner, sessions.c.create_time, sessions.c.check_time)
    query = sa.select(*columns, sessions.c.sealed).where(sessions.c.check_time <= now, sessions.c.expire_time > now)
    query = query.where(sessions.c.use_time > used_since, sessions.c.key_id == key_id)
    rows = transaction.execute(query.order_by(sessions.c.check_time).limit(limit)).mappings()
    return [Checked(**row) for row in rows]


def claim_check(transaction: Transaction, session: Checked, check_time: float) -> bool:
    """Record that a session is being confirmed, and when to do it again; return False if another server does it."""
    own = sessions.update().where(sessions.c.session_id == session.session_id)
    claimed = transaction.execute(own.where(sessions.c.check_time == session.check_time).values(check_time=check_time))
    return bool(claimed.rowcount)


def extend_session(transaction: Transaction, session_id: str, expire_time: float) -> bool:
    """Set the time when a session ends; return whether it exists."""
    own = sessions.update().where(sessions.c.session_id == session_id)
    found = transaction.execute(own.values(expire_time=expire_time)).rowcount
    count_up(transaction)
    return bool(found)


def end_session(transaction: Transaction, session_id: str) -> None:
    """Delete a session."""
    transaction.execute(sessions.delete().where(sessions.c.session_id == session_id))
    count_up(transaction)


def end_sessions_of(transaction: Transaction, owner: str) -> None:
    """Delete the sessions of somebody."""
    transaction.execute(sessions.delete().where(sessions.c.owner == owner))
    count_up(transaction)


def purge(transaction: Transaction, now: float, tokens_before: float) -> None:
    """Delete expired sessions, and tokens that ended before `tokens_before`; an operator's keeps the server closed."""
    transaction.execute(sessions.delete().where(sessions.c.expire_time <= now))
    transaction.execute(
        tokens.delete().where(tokens.c.expire_time < tokens_before, tokens.c.role != Role.OPERATOR.value)
    )


def _token(row: sa.RowMapping) -> Token:
    return Token(
        row["token_id"],
        row["name"],
        row["project"],
        Role(row["role"]),
        row["create_time"],
        row["creator"],
        row["expire_time"],
        row["use_time"],
    )


def _person(row: sa.RowMapping, roles: Mapping[str, Role]) -> Person:
    return Person(row["name"], bool(row["password"]), row["create_time"], row["creator"], roles)


def _session(row: sa.RowMapping) -> Session:
    return Session(row["session_id"], row["owner"], row["create_time"], row["expire_time"], row["use_time"])


def _roles(transaction: Transaction, name: str | None = None) -> dict[str, dict[str, Role]]:
    query = sa.select(members).order_by(members.c.project)
    rows = transaction.execute(query if name is None else query.where(members.c.person == name)).mappings()
    roles: dict[str, dict[str, Role]] = {}
    for row in rows:
        roles.setdefault(row["person"], {})[row["project"]] = Role(row["role"])
    return roles
