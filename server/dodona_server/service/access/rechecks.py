"""Ask the provider of OpenID Connect again about the people whom it has signed in, so that changed groups count soon.

Any number of servers may share a database. One claims a session before it asks, because many providers take a refresh
token once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time

from dodona_server.domain.errors import InvalidArgument, Unavailable
from dodona_server.service.access import people, sessions
from dodona_server.service.access.audit import AuditLog, entry_of
from dodona_server.service.access.gate import IDLE_SECONDS, Gate
from dodona_server.service.access.keys import Keys
from dodona_server.service.access.provider import Provider, Said, by_refresh_token
from dodona_server.storage.access import accounts
from dodona_server.storage.access.accounts import Checked
from dodona_server.storage.engine.store import Store, Transaction

logger = logging.getLogger("dodona")

LOOK_SECONDS = 5.0
# A provider that does not answer is asked again after this time. A check takes less, so no other server begins it too.
RETRY_SECONDS = 60.0
MAX_CHECKS = 20
ACTOR = "OpenID Connect"


class Rechecks:
    """Confirms sessions, and ends those of people for whom the provider no longer answers.

    Args:
        store: where sessions are kept.
        gate: knows them.
        audit: the log of what changed.
        provider: signs people in.
    """

    def __init__(self, store: Store, gate: Gate, audit: AuditLog, provider: Provider) -> None:
        self._store = store
        self._gate = gate
        self._audit = audit
        self._provider = provider

    async def run(self, stopping: threading.Event) -> None:
        """Check sessions until cancelled, even if the database or the provider fails from time to time."""
        while not stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Unavailable as error:
                logger.warning("people signed in by OpenID Connect cannot be checked: %s", error)
            except Exception:
                logger.exception("people signed in by OpenID Connect cannot be checked; this is tried again")

    async def look(self) -> None:
        """Confirm or end the sessions for which it is time.

        Raises:
            Unavailable: the database does not answer.
        """
        keys, now = await self._gate.keys(), time.time()
        since = now - IDLE_SECONDS
        due = await self._store.read(
            lambda transaction: accounts.to_check(transaction, now, since, keys.key_id, MAX_CHECKS)
        )
        for session in due:
            await self._check(keys, session)

    async def _check(self, keys: Keys, session: Checked) -> None:
        again = time.time() + RETRY_SECONDS
        if not await self._store.run(lambda transaction: accounts.claim_check(transaction, session, again)):
            return
        subject, refresh_token = json.loads(keys.opened(session.sealed))
        try:
            said = await by_refresh_token(self._provider, refresh_token, subject)
        except (Unavailable, InvalidArgument) as error:
            logger.warning("%s cannot be checked; this is tried again: %s", session.owner, error)
            return
        name = session.owner.removeprefix("person:")
        if said is None or self._provider.name_of(said.claims) != name or not self._provider.roles_of(said.claims):
            await self._end(session, name)
        else:
            await self._confirm(session, name, said)

    async def _end(self, session: Checked, name: str) -> None:
        def end(transaction: Transaction, _: Keys) -> None:
            sessions.end(transaction, session.session_id)

        await self._gate.change(end)
        await self._note(name, "sign_out")

    async def _confirm(self, session: Checked, name: str, said: Said) -> None:
        roles = self._provider.roles_of(said.claims)

        def confirm(transaction: Transaction, keys: Keys) -> bool:
            # Somebody may have ended the session, or deleted the person, meanwhile.
            return sessions.confirm(transaction, keys, session, said) and people.set_roles(transaction, name, roles)

        if await self._gate.change(confirm):
            await self._note(name, "set_role")

    async def _note(self, name: str, action: str) -> None:
        await self._audit.record(entry_of(ACTOR, "", action, "", f"users/{name}", "done"))
