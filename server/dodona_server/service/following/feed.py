"""Events of studies, in pages or as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName
from dodona_server.domain.page import Page
from dodona_server.service.following.watcher import Follower, Mark, Watcher
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage import events
from dodona_server.storage.engine.store import Store, Transaction

MAX_PAGE = 1000
# An empty message after this time keeps proxies from closing an idle connection.
SILENT_SECONDS = 15.0
MAX_FOLLOWERS = 500


class _Stream(Follower):
    """A stream of one study's events, and the last event it has sent."""

    def __init__(self, seen: int) -> None:
        super().__init__()
        self.seen = seen

    def is_news(self, mark: Mark) -> bool:
        """Return whether there are later events."""
        return mark.event > self.seen


class Feed:
    """Reads the events of studies.

    Args:
        store: where they are kept.
        watcher: looks for all streams.
        max_followers: the largest number of streams at once, of all studies together.
    """

    def __init__(self, store: Store, watcher: Watcher, max_followers: int = MAX_FOLLOWERS) -> None:
        self._store = store
        self._watcher = watcher
        self._max_followers = max_followers
        self._followers: set[_Stream] = set()

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
                f"{self._max_followers} streams of events are open already, the maximum: close some, or ask "
                "for pages of events from time to time"
            )
        # Count the stream before the first await.
        stream = _Stream(after)
        self._followers.add(stream)
        try:
            study_key, page = await self._begin(name, after, MAX_PAGE)
            stream.study_key = study_key
            self._watcher.join(stream)
            while not stream.ended.is_set():
                if page.entries:
                    stream.seen = page.entries[-1].number
                yield page.entries
                if not page.more:
                    await stream.wait(SILENT_SECONDS)
                page = await self._behind(study_key, stream.seen)
        finally:
            self._watcher.leave(stream)
            self._followers.discard(stream)

    async def _begin(self, name: StudyName, after: int, limit: int) -> tuple[int, Page[Event]]:
        """Assign numbers to the study's events, and return its key and a page of them."""

        def use_case(transaction: Transaction) -> tuple[int, Page[Event]]:
            study = get_study(transaction, name, lock=True)
            events.number(transaction, study)
            return study.key, events.page(transaction, study.key, after, limit)

        return await self._store.run(use_case)

    async def _behind(self, study_key: int, seen: int) -> Page[Event]:
        """Return the events that a stream has not sent."""
        try:
            return await self._store.read(lambda transaction: events.page(transaction, study_key, seen, MAX_PAGE))
        except Unavailable:
            # The next look may find the database again.
            return Page([])
