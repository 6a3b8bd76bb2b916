"""The keeper: does what is due without anybody asking for it.

Any number of servers may share a database; each step takes a lock in it, so that one of them does the work.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable

from dodona_server.domain.errors import Unavailable
from dodona_server.service.artifacts import ArtifactService
from dodona_server.service.budget import settle
from dodona_server.service.idempotency import REMEMBERED_SECONDS
from dodona_server.service.trials.ending import lose
from dodona_server.storage import leases, operations, requests, studies
from dodona_server.storage.clock import database_time
from dodona_server.storage.locks import keeper_lock
from dodona_server.storage.store import Store, Transaction

logger = logging.getLogger("dodona")

LOOK_SECONDS = 1.0
PURGE_SECONDS = 600.0
# How much is done in one transaction: others wait for it that long.
MAX_LEASES = 100
MAX_STUDIES = 20
MAX_ROWS = 500
# By how much the database's clock may run off from one look to the next before somebody must have set it.
MAX_DRIFT_SECONDS = 2.0


class Keeper:
    """Expires leases, ends studies whose time is over, and clears away what is deleted or forgotten.

    Args:
        store: where all of it is kept.
        clock: the time, in seconds since the epoch; leases go by the database's.
        stopping: set when the server is to stop.
        artifacts: whose content is removed after they are deleted; None for a server without any.
        monotonic: what tells how long something lasts, in seconds.
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
        # By how much the database's clock is ahead of the monotonic one: at least, at most.
        self._ahead = (-math.inf, math.inf)
        self._answers = True
        self._was_away = True
        self._sweeping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Works until it is cancelled, also while the database fails now and then."""
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
                    logger.warning("leases cannot be kept: %s", error)
                self._answers = False
            except Exception:
                # A fault in one step must not end the keeping of all leases for ever.
                busy = False
                logger.exception("the keeper failed; it goes on")
            await asyncio.sleep(0 if busy else LOOK_SECONDS)

    async def look(self) -> bool:
        """Does some of what is due; whether there may be more at once."""
        if self._was_away:
            # Nobody could give a sign of life meanwhile: those who are alive get the time to do so.
            await self._store.run(leases.grant_grace)
            self._was_away = False
        was_set, overdue, due, removed = await self._store.read(self._due)
        if was_set:
            logger.warning("the database's clock was set to another time: every lease begins anew")
            await self._store.run(leases.begin_anew)
        elif overdue:
            await self._store.run(self._expire_leases)
        if due:
            await self._store.run(self._end_studies)
        more = False
        if removed:
            # What another server clears away is not looked for again and again.
            more = await self._store.run(_clear_removed)
        now = self._monotonic()
        if now - self._purged >= PURGE_SECONDS:
            left = await self._store.run(self._purge)
            if not left:
                self._purged = now
            more |= left
        if self._artifacts is not None and (self._sweeping is None or self._sweeping.done()):
            # Leases do not wait for a bucket.
            self._sweeping = asyncio.create_task(_sweep(self._artifacts))
        return overdue == MAX_LEASES or more

    def _was_set(self, transaction: Transaction) -> bool:
        """Whether the database's clock has gone on by another time than has passed since the last look."""
        before = self._monotonic()
        now = database_time(transaction)
        least, most = self._ahead
        self._ahead = (now - self._monotonic(), now - before)
        return self._ahead[0] > most + MAX_DRIFT_SECONDS or self._ahead[1] < least - MAX_DRIFT_SECONDS

    def _due(self, transaction: Transaction) -> tuple[bool, int, bool, bool]:
        """Whether the clock was set, how many leases have run out, and whether studies are over or removed.

        Most of the time nothing is.
        """
        was_set = self._was_set(transaction)
        overdue = len(leases.run_out(transaction, MAX_LEASES, lock=False))
        due = bool(studies.due(transaction, self._clock(), 1, lock=False))
        return was_set, overdue, due, studies.any_removed(transaction)

    def _expire_leases(self, transaction: Transaction) -> None:
        if not keeper_lock(transaction):
            return
        for study_key, trial in leases.run_out(transaction, MAX_LEASES):
            study = studies.find_key(transaction, study_key)
            if study is not None and study.spec.stopping.needs_progress:
                study = studies.find(transaction, study.name, lock=True)
            if study is None:
                # Deleted: the rows are on their way out.
                leases.requeue(transaction, study_key, trial)
            else:
                lose(transaction, study, trial, self._clock())

    def _end_studies(self, transaction: Transaction) -> None:
        if not keeper_lock(transaction):
            return
        now = self._clock()
        for study in studies.due(transaction, now, MAX_STUDIES):
            if study.state is settle(transaction, study, now).state:
                # A minimum holds it back that time alone does not lift: the next trial to end looks again.
                studies.set_check_time(transaction, study, None)

    def _purge(self, transaction: Transaction) -> bool:
        """Forgets some of what is older than a day; whether there may be more."""
        before = self._clock() - REMEMBERED_SECONDS
        forgotten = requests.purge(transaction, before, MAX_ROWS)
        return max(forgotten, operations.purge(transaction, operations.oldest_id(before), MAX_ROWS)) == MAX_ROWS


async def _sweep(artifacts: ArtifactService) -> None:
    try:
        while await artifacts.sweep():
            pass
    except Unavailable:
        return  # the keeper's own look says so
    except Exception:
        logger.exception("deleted artifacts cannot be removed; this is tried again")


def _clear_removed(transaction: Transaction) -> bool:
    """Whether some rows of deleted studies were cleared away; not if another server is at it."""
    return keeper_lock(transaction) and studies.clear_removed(transaction, MAX_ROWS)


async def clear_all(store: Store) -> int:
    """Clears away every deleted study at once, and tells how many there were."""
    removed = await store.read(studies.count_removed)
    while await store.read(studies.any_removed):
        await store.run(_clear_removed)
    return removed
