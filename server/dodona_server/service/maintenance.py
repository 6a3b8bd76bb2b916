"""Background work that no call asks for.

Any number of servers may share a database. Each step takes a lock in the database, so only one server does it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.event import SERVER
from dodona_server.service.artifacts import ArtifactService
from dodona_server.service.budget import complete_if_over
from dodona_server.service.idempotency import REMEMBERED_SECONDS
from dodona_server.service.trials.ending import expire
from dodona_server.storage import operations, requests
from dodona_server.storage.access import accounts
from dodona_server.storage.engine.clock import database_time
from dodona_server.storage.engine.locks import maintenance_lock
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import deleted_studies, removal, studies
from dodona_server.storage.trials import leases

logger = logging.getLogger("dodona")

LOOK_SECONDS = 1.0
PURGE_SECONDS = 600.0
# How long the list of tokens shows one that has ended.
ENDED_TOKEN_SECONDS = 30 * 24 * 3600.0
# The work of one transaction, which other transactions wait for.
MAX_LEASES = 100
MAX_STUDIES = 20
MAX_ROWS = 500
# If the database's clock drifts by more than this between two rounds, somebody has set it.
MAX_DRIFT_SECONDS = 2.0


class Maintenance:
    """Expires leases, completes studies whose time is over, and deletes old rows and files.

    Args:
        store: to work on.
        clock: the time, in seconds since the epoch; leases go by the database's.
        stopping: set when the server is to stop.
        artifacts: deletes the content of deleted artifacts; None for a server without artifacts.
        monotonic: a clock for durations, in seconds.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        stopping: threading.Event,
        artifacts: ArtifactService | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._stopping = stopping
        self._artifacts = artifacts
        self._purged = -math.inf
        # The database's clock minus the monotonic one: at least, at most.
        self._ahead = (-math.inf, math.inf)
        self._answers = True
        self._was_away = True
        self._sweeping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until cancelled, even if the database fails from time to time."""
        try:
            await self._run()
        finally:
            if self._sweeping is not None:
                self._sweeping.cancel()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = await self.look()
                self._answers = True
            except Unavailable as error:
                busy = False
                self._was_away = True
                if self._answers:
                    logger.warning("leases cannot be checked: %s", error)
                self._answers = False
            except Exception:
                # An error in one step must not stop the expiry of leases for good.
                busy = False
                logger.exception("maintenance failed; it runs again")
            await asyncio.sleep(0 if busy else LOOK_SECONDS)

    async def look(self) -> bool:
        """Do some of the work that is due, and return whether there may be more at once."""
        if self._was_away:
            # No worker could send a heartbeat meanwhile: give them time to do so, also those whose lease ends just now.
            await self._store.run(leases.begin_anew)
            self._was_away = False
        was_set, overdue, due, purged, removed = await self._store.read(self._due)
        if was_set:
            logger.warning("the database's clock was set to another time: all leases are renewed")
            await self._store.run(leases.begin_anew)
        elif overdue:
            await self._store.run(self._expire_leases)
        if due:
            await self._store.run(self._end_studies)
        more = False
        if purged:
            await self._store.run(lambda transaction: _purge_deleted(transaction, self._clock()))
        if purged or removed:
            # If another server deletes the rows, this one does not look for them again at once.
            more = await self._store.run(_clear_removed)
        now = self._monotonic()
        if now - self._purged >= PURGE_SECONDS:
            left = await self._store.run(self._purge)
            if not left:
                self._purged = now
            more |= left
        if self._artifacts is not None and (self._sweeping is None or self._sweeping.done()):
            # Leases must not wait for a bucket.
            self._sweeping = asyncio.create_task(_sweep(self._artifacts))
        return overdue == MAX_LEASES or more

    def _was_set(self, transaction: Transaction) -> bool:
        """Return whether the database's clock was set since the last round."""
        before = self._monotonic()
        now = database_time(transaction)
        least, most = self._ahead
        self._ahead = (now - self._monotonic(), now - before)
        return self._ahead[0] > most + MAX_DRIFT_SECONDS or self._ahead[1] < least - MAX_DRIFT_SECONDS

    def _due(self, transaction: Transaction) -> tuple[bool, int, bool, bool, bool]:
        """Return whether the clock was set, how many leases have expired, whether studies are over, overdue, removed.

        Most of the time nothing is due.
        """
        was_set = self._was_set(transaction)
        overdue = len(leases.run_out(transaction, MAX_LEASES, lock=False))
        due = bool(studies.due(transaction, self._clock(), 1, lock=False))
        purged = bool(deleted_studies.overdue(transaction, self._clock(), 1))
        return was_set, overdue, due, purged, removal.any_removed(transaction)

    def _expire_leases(self, transaction: Transaction) -> None:
        if not maintenance_lock(transaction):
            return
        for study_key, trial in leases.run_out(transaction, MAX_LEASES):
            study = studies.find_key(transaction, study_key)
            if study is not None and study.spec.stopping.needs_progress:
                study = studies.find(transaction, study.name, lock=True)
            if study is None:
                # The study is deleted; its rows will be too.
                leases.end_lease(transaction, study_key, trial)
            else:
                expire(transaction, study, trial, self._clock(), SERVER)

    def _end_studies(self, transaction: Transaction) -> None:
        if not maintenance_lock(transaction):
            return
        now = self._clock()
        for study in studies.due(transaction, now, MAX_STUDIES):
            if study.state is complete_if_over(transaction, study, now).state:
                # A minimum that does not depend on time keeps it open: the next trial that ends checks again.
                studies.set_check_time(transaction, study, None)

    def _purge(self, transaction: Transaction) -> bool:
        """Delete some requests and operations older than a day, and return whether there may be more.

        Sessions and tokens that have ended are few, and are deleted at once.
        """
        now = self._clock()
        accounts.purge(transaction, now, now - ENDED_TOKEN_SECONDS)
        forgotten = requests.purge(transaction, now, MAX_ROWS)
        old = operations.oldest_id(now - REMEMBERED_SECONDS)
        return max(forgotten, operations.purge(transaction, old, MAX_ROWS)) == MAX_ROWS


async def _sweep(artifacts: ArtifactService) -> None:
    try:
        while await artifacts.sweep():
            pass
    except Unavailable:
        return  # the round itself logs it
    except Exception:
        logger.exception("deleted artifacts cannot be removed; this is tried again")


def _purge_deleted(transaction: Transaction, now: float) -> None:
    """Purge deleted studies whose time has come."""
    if maintenance_lock(transaction):
        for key in deleted_studies.overdue(transaction, now, MAX_STUDIES):
            deleted_studies.purge(transaction, key)


def _clear_removed(transaction: Transaction) -> bool:
    """Delete some rows of deleted studies, and return whether there were any; False if another server does it."""
    return maintenance_lock(transaction) and removal.clear_removed(transaction, MAX_ROWS)


async def clear_all(store: Store) -> int:
    """Delete every deleted study for good at once, and return the number of studies."""
    while await store.read(deleted_studies.count):
        await store.run(lambda transaction: _purge_deleted(transaction, math.inf))
    removed = await store.read(removal.count_removed)
    while await store.read(removal.any_removed):
        await store.run(_clear_removed)
    return removed
