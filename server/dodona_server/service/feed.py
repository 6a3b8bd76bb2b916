"""What happens in studies: told page by page, or to those who follow a study as it happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName
from dodona_server.domain.page import Page
from dodona_server.service.studies.lookup import found
from dodona_server.storage import events, studies
from dodona_server.storage.store import Store, Transaction

MAX_PAGE = 1000
# However many follow, there is one look for all of them.
LOOK_SECONDS = 0.5
# A word now and then keeps what stands between from closing a connection on which nothing happens.
SILENT_SECONDS = 15.0
MAX_FOLLOWERS = 500


class _Follower:
    """One who follows a study: up to which event, and what wakes it."""

    def __init__(self, study_key: int, seen: int) -> None:
        self.study_key = study_key
        self.seen = seen
        self.woken = asyncio.Event()
        self.over = False


class Feed:
    """Tells what happens in studies.

    Args:
        store: where it is kept.
        stopping: set when the server is to stop; who follows a study is then let go.
        max_followers: how many may follow at once, of all studies together.
    """

    def __init__(self, store: Store, stopping: threading.Event, max_followers: int = MAX_FOLLOWERS) -> None:
        self._store = store
        self._stopping = stopping
        self._max_followers = max_followers
        self._followers: set[_Follower] = set()
        self._looking: asyncio.Task[None] | None = None

    async def page(self, name: StudyName, after: int, limit: int) -> Page[Event]:
        """The page of up to `limit` events with numbers above `after`; who goes on from the last one misses none.

        Raises:
            NotFound: there is no such study.
        """
        return (await self._begin(name, after, limit))[1]

    async def follow(self, name: StudyName, after: int) -> AsyncIterator[list[Event]]:
        """The events with numbers above `after`, as they happen, in order; none now and then if nothing does.

        It ends with the study, and with the server.

        Raises:
            NotFound: there is no such study.
            Unavailable: too many follow already.
        """
        if len(self._followers) >= self._max_followers:
            raise Unavailable(
                f"{self._max_followers} streams of events are open, as many as this server keeps: close some, or ask "
                "for pages of events now and then"
            )
        # A place is taken before anything is waited for.
        follower = _Follower(0, after)
        self._followers.add(follower)
        try:
            follower.study_key, page = await self._begin(name, after, MAX_PAGE)
            while not follower.over:
                if page.entries:
                    follower.seen = page.entries[-1].number
                yield page.entries
                if not page.more:
                    await self._wait(follower)
                page = await self._behind(follower)
        finally:
            self._followers.discard(follower)

    async def _begin(self, name: StudyName, after: int, limit: int) -> tuple[int, Page[Event]]:
        """The study's key and a page of its events, all of which have numbers from now on."""

        def use_case(transaction: Transaction) -> tuple[int, Page[Event]]:
            study = found(transaction, name, lock=True)
            events.number(transaction, study)
            return study.key, events.page(transaction, study.key, after, limit)

        return await self._store.run(use_case)

    async def _behind(self, follower: _Follower) -> Page[Event]:
        """The events that the follower has not seen."""
        try:
            return await self._store.read(
                lambda transaction: events.page(transaction, follower.study_key, follower.seen, MAX_PAGE)
            )
        except Unavailable:
            # The next look may find the database again.
            return Page([])

    async def _wait(self, follower: _Follower) -> None:
        """Waits until something has happened in the follower's study, or nothing for long."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again_and_again())
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                await follower.woken.wait()
        except TimeoutError:
            return
        follower.woken.clear()

    async def _look_again_and_again(self) -> None:
        """Wakes those in whose studies something has happened, as long as anybody follows one."""
        while self._followers and not self._stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            followed = {follower.study_key for follower in self._followers if follower.study_key}
            try:
                last = await self._last_numbers(followed)
            except Unavailable:
                # It answers again, or who follows goes.
                continue
            for follower in self._followers:
                if follower.study_key in followed:
                    follower.over = follower.study_key not in last
                    if follower.over or last[follower.study_key] > follower.seen:
                        follower.woken.set()
        for follower in self._followers:
            follower.over = True
            follower.woken.set()

    async def _last_numbers(self, study_keys: set[int]) -> dict[int, int]:
        """The number of the last event of each study that is not deleted."""
        newest = await self._store.read(lambda transaction: events.newest(transaction, list(study_keys)))
        last = {key: number for key, (number, _) in newest.items()}
        for key in [key for key, (_, unnumbered) in newest.items() if unnumbered]:
            last[key] = await self._store.run(lambda transaction, key=key: _number(transaction, key))  # type: ignore[misc]
        return last


def _number(transaction: Transaction, study_key: int) -> int:
    """Numbers the study's events, and gives the last one's; 0 for a study that is deleted meanwhile."""
    named = studies.find_key(transaction, study_key)
    study = named and studies.find(transaction, named.name, lock=True)
    if study is None or study.key != study_key:
        return 0
    events.number(transaction, study)
    return events.newest(transaction, [study_key])[study_key][0]
