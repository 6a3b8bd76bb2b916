"""The events of studies, in pages or as a stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName
from dodona_server.domain.page import Page
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage import events, studies
from dodona_server.storage.store import Store, Transaction

MAX_PAGE = 1000
# The time between two queries, one for all followers together.
LOOK_SECONDS = 0.5
# An empty message after this time keeps proxies from closing an idle connection.
SILENT_SECONDS = 15.0
MAX_FOLLOWERS = 500


class _Follower:
    """A stream of one study's events: the last event it has sent, and what wakes it."""

    def __init__(self, study_key: int, seen: int) -> None:
        self.study_key = study_key
        self.seen = seen
        self.woken = asyncio.Event()
        self.over = False


class Feed:
    """Reads the events of studies.

    Args:
        store: where they are kept.
        stopping: set when the server is to stop; streams then end.
        max_followers: the largest number of streams at once, of all studies together.
    """

    def __init__(self, store: Store, stopping: threading.Event, max_followers: int = MAX_FOLLOWERS) -> None:
        self._store = store
        self._stopping = stopping
        self._max_followers = max_followers
        self._followers: set[_Follower] = set()
        self._looking: asyncio.Task[None] | None = None

    async def page(self, name: StudyName, after: int, limit: int) -> Page[Event]:
        """Return up to `limit` events with numbers above `after`. A reader that continues from the last misses none.

        Raises:
            NotFound: there is no such study.
        """
        return (await self._begin(name, after, limit))[1]

    async def follow(self, name: StudyName, after: int) -> AsyncIterator[list[Event]]:
        """Yield the events with numbers above `after` in order, as they happen, and an empty list while nothing does.

        It ends when the study is deleted or the server stops.

        Raises:
            NotFound: there is no such study.
            Unavailable: there are too many streams.
        """
        if len(self._followers) >= self._max_followers:
            raise Unavailable(
                f"{self._max_followers} streams of events are open, as many as this server keeps: close some, or ask "
                "for pages of events now and then"
            )
        # Count the stream before the first await.
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
        """Assign numbers to the study's events, and return its key and a page of them."""

        def use_case(transaction: Transaction) -> tuple[int, Page[Event]]:
            study = get_study(transaction, name, lock=True)
            events.number(transaction, study)
            return study.key, events.page(transaction, study.key, after, limit)

        return await self._store.run(use_case)

    async def _behind(self, follower: _Follower) -> Page[Event]:
        """Return the events that the stream has not sent."""
        try:
            return await self._store.read(
                lambda transaction: events.page(transaction, follower.study_key, follower.seen, MAX_PAGE)
            )
        except Unavailable:
            # The next look may find the database again.
            return Page([])

    async def _wait(self, follower: _Follower) -> None:
        """Wait until something happens in the stream's study, or `SILENT_SECONDS` have passed."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                await follower.woken.wait()
        except TimeoutError:
            return
        follower.woken.clear()

    async def _watch(self) -> None:
        """Wake the streams in whose studies something happened, while there are streams."""
        while self._followers and not self._stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            followed = {follower.study_key for follower in self._followers if follower.study_key}
            try:
                last = await self._last_numbers(followed)
            except Unavailable:
                # Try again until the database answers or the clients give up.
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
        """Return the number of the last event of each study that is not deleted."""
        newest = await self._store.read(lambda transaction: events.newest(transaction, list(study_keys)))
        last = {key: number for key, (number, _) in newest.items()}
        for key in [key for key, (_, unnumbered) in newest.items() if unnumbered]:
            last[key] = await self._store.run(lambda transaction, key=key: _number(transaction, key))  # type: ignore[misc]
        return last


def _number(transaction: Transaction, study_key: int) -> int:
    """Assign numbers to the study's events, and return the last number; 0 if the study was deleted meanwhile."""
    named = studies.find_key(transaction, study_key)
    study = named and studies.find(transaction, named.name, lock=True)
    if study is None or study.key != study_key:
        return 0
    events.number(transaction, study)
    return events.newest(transaction, [study_key])[study_key][0]
