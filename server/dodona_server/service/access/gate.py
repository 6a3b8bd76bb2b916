"""Principals of tokens and sessions, found without a query.

Each server keeps all tokens, people and sessions in memory, and looks twice a second whether a number in the database
has changed. So what was revoked on one server ends on all of them within a second, however many calls they answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dodona_server.domain.access.credentials import Secret
from dodona_server.domain.access.roles import TOKEN_HOLDER, Principal, Role
from dodona_server.domain.errors import Unavailable
from dodona_server.service.access.keys import Keys
from dodona_server.service.access.people import principal_of
from dodona_server.storage.access import accounts
from dodona_server.storage.access.secret import server_secret
from dodona_server.storage.engine.store import Store, Transaction

logger = logging.getLogger("dodona")

T = TypeVar("T")

LOOK_SECONDS = 0.4
# Everything is read again now and then: when a session was last used is no change that counts.
REFRESH_SECONDS = 600.0
# The time of the last use is kept this coarsely.
USE_SECONDS = 3600.0
# A session ends this long after its last use, and in any case at its end.
IDLE_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A token or a session: its digest, who it stands for, and until when."""

    digest: bytes
    principal: Principal
    end: float
    used: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Tokens and sessions at a version of the database."""

    version: int = -1
    known: Mapping[str, _Known] = field(default_factory=dict)
    sessions: Mapping[str, _Known] = field(default_factory=dict)
    # Somebody could once administer the whole server, so that nobody without a token needs to.
    has_operator: bool = False


class Gate:
    """Finds the principals of requests.

    Args:
        store: where tokens, people and sessions are kept.
        setting: the token that the server's settings name; None for none.
        secret: the secret that the server's settings name; None for none.
        insecure: whether the server is open to everyone, whatever tokens there are.
    """

    def __init__(
        self, store: Store, setting: str | None = None, secret: str | None = None, *, insecure: bool = False
    ) -> None:
        self._store = store
        self._setting = None if setting is None else _hash(setting)
        self._given = secret
        self._keys: Keys | None = None
        self._insecure = insecure
        self._snapshot = _Snapshot()
        self._refreshed = -math.inf
        self._used: dict[str, float] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests without a token are answered."""
        return self._insecure or (self._setting is None and not self._snapshot.has_operator)

    @property
    def is_insecure(self) -> bool:
        """Whether requests are answered under any name of the server."""
        return self._insecure

    def principal(self, text: str) -> Principal | None:
        """Return the principal of a token; None if the token is not known here and now."""
        if self._setting is not None and hmac.compare_digest(self._setting, _hash(text)):
            return TOKEN_HOLDER
        return self._principal(Secret.read(text), self._snapshot.known)

    def of_session(self, text: str) -> Principal | None:
        """Return the principal of a session; None if the session is not known here and now."""
        return self._principal(Secret.read(text), self._snapshot.sessions)

    def _principal(self, secret: Secret | None, among: Mapping[str, _Known]) -> Principal | None:
        known = among.get(secret.token_id) if secret else None
        if secret is None or known is None or self._keys is None:
            return None
        now = time.time()
        if not hmac.compare_digest(known.digest, self._keys.raw(secret)) or known.end <= now:
            return None
        if known.principal.session and now - self._used.get(secret.token_id, known.used) > IDLE_SECONDS:
            return None
        if now - known.used > USE_SECONDS:
            self._used[secret.token_id] = now
        return known.principal

    async def find(self, text: str) -> Principal | None:
        """Return the same, also for a token that another server has made since the last look."""
        found = self.principal(text)
        if found is None and Secret.read(text) is not None:
            await self.refresh()
            found = self.principal(text)
        return found

    async def find_session(self, text: str) -> Principal | None:
        """Return the same as `of_session`, also for one that another server has begun since the last look."""
        found = self.of_session(text)
        if found is None and Secret.read(text) is not None:
            await self.refresh()
            found = self.of_session(text)
        return found

    async def owner_of(self, text: str) -> str | None:
        """Return the owner of a session that begins with this token; None if the token is not valid."""
        if await self.find(text) is None:
            return None
        secret = Secret.read(text)
        return f"token:{secret.token_id}" if secret else self._setting_owner()

    def _setting_owner(self) -> str:
        # Its sessions end when the settings name another token.
        return "" if self._setting is None else f"setting:{hashlib.sha256(self._setting).hexdigest()[:32]}"

    async def keys(self) -> Keys:
        """Return the keys that make digests.

        Raises:
            Unavailable: the database does not answer.
        """
        if self._keys is None:
            self._keys = Keys(await self._store.run(lambda transaction: server_secret(transaction, self._given)))
        return self._keys

    async def change(self, use_case: Callable[[Transaction, Keys], T]) -> T:
        """Return what the change returns, once it is durable and this server knows it.

        Raises:
            DodonaError: the change was refused, or the database does not answer.
        """
        keys = await self.keys()
        changed: T = await self._store.run(lambda transaction: use_case(transaction, keys))
        await self.refresh()
        return changed

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Return what the query returns; see `Store.read`."""
        return await self._store.read(query)

    async def refresh(self) -> None:
        """Reload now, so that this server knows what it has just changed itself."""
        if self._looking is not None and not self._looking.done():
            # It may have begun before the change.
            await asyncio.wait([self._looking])
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_safely())
        await asyncio.wait([self._looking])

    async def run(self, stopping: threading.Event) -> None:
        """Check for changes until cancelled."""
        while not stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            await self.refresh()

    async def _look_safely(self) -> None:
        try:
            await self.look()
        except Unavailable:
            # Calls get the same answer meanwhile, and what is known stays as it is.
            return
        except Exception:
            logger.exception("tokens cannot be read; this is tried again")

    async def look(self) -> None:
        """Read everything if it has changed, and store when tokens were used.

        Raises:
            Unavailable: the database does not answer.
        """
        now = time.monotonic()
        is_due = now - self._refreshed > REFRESH_SECONDS
        version = await self._store.read(accounts.version)
        if version != self._snapshot.version or is_due:
            keys = await self.keys() if version else None
            setting = self._setting_owner()
            self._snapshot = await self._store.read(lambda transaction: _read(transaction, keys, setting))
            self._refreshed = now
        if self._used:
            used, self._used = self._used, {}
            await self._store.run(lambda transaction: accounts.note_use(transaction, used))
            self._refreshed = -math.inf


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _read(transaction: Transaction, keys: Keys | None, setting: str) -> _Snapshot:
    """Return all tokens and sessions that are valid now; `setting` is the owner of those of the settings' token."""
    version, now = accounts.version(transaction), time.time()
    if keys is None:
        return _Snapshot(version)
    owners: dict[str, tuple[Principal, float]] = {}
    known: dict[str, _Known] = {}
    foreign = 0
    people = accounts.all_people(transaction)
    has_operator = any(Role.OPERATOR in person.roles.values() for person in people)
    for token, digest in accounts.all_tokens(transaction):
        # Also one that has ended: a server that was closed never opens by itself.
        has_operator |= token.role is Role.OPERATOR
        end = math.inf if token.expire_time is None else token.expire_time
        foreign += digest.key_id != keys.key_id
        if end <= now or digest.key_id != keys.key_id:
            continue
        principal = Principal(f"token {token.name!r} ({token.token_id})", ((token.project, token.role),))
        known[token.token_id] = _Known(bytes.fromhex(digest.value), principal, end, token.use_time or 0.0)
        owners[f"token:{token.token_id}"] = (principal, end)
    if foreign:
        logger.warning("%d tokens were created with another secret than this server's, and are not valid here", foreign)
    owners |= {f"person:{person.name}": (principal_of(person), math.inf) for person in people}
    owners |= {setting: (TOKEN_HOLDER, math.inf)} if setting else {}
    sessions: dict[str, _Known] = {}
    for session, digest in accounts.all_sessions(transaction, now):
        owner = owners.get(session.owner)
        if owner is not None and digest.key_id == keys.key_id:
            principal = dataclasses.replace(owner[0], session=session.session_id)
            end = min(owner[1], session.expire_time)
            sessions[session.session_id] = _Known(bytes.fromhex(digest.value), principal, end, session.use_time)
    return _Snapshot(version, known, sessions, has_operator)
