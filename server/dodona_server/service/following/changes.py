"""Notices to open pages that something has changed; the page then asks again for what it shows."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.names import StudyName
from dodona_server.service.following.watcher import ALL_STUDIES, Follower, Mark, Watcher
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage.engine.store import Store

# An empty message after this time keeps proxies from closing an idle connection.
SILENT_SECONDS = 15.0
# Streams end after this time and begin again, so that a reader who loses access to the study stops following it.
STREAM_SECONDS = 600.0
MAX_PAGES = 500
# A page is told of changes at most this often, and all pages together. Pages are told at the same moments, the
# multiples of their pause: then they hear the same mark and share one answer.
LEAST_PAUSE_SECONDS = 1.0
REFRESHES_PER_SECOND = 25.0


class _OpenPage(Follower):
    """A page and the mark that it was last told; empty before the first one."""

    def __init__(self, study_key: int, seen: str, projects: frozenset[str] | None) -> None:
        super().__init__()
        self.study_key = study_key
        self.projects = projects
        self.seen = seen
        self.latest = seen

    def is_news(self, mark: Mark) -> bool:
        """Return whether the page was told another mark."""
        self.latest = str(mark)
        return self.latest != self.seen


class Changes:
    """Streams of marks, for pages.

    Args:
        store: where studies are kept.
        watcher: looks for all of them.
    """

    def __init__(self, store: Store, watcher: Watcher) -> None:
        self._store = store
        self._watcher = watcher
        self._pages: set[_OpenPage] = set()

    async def of_study(self, name: StudyName, seen: str) -> AsyncIterator[str]:
        """Yield the study's mark whenever it differs from the last one, and "" while it does not; first "".

        It ends when the study is deleted, when the server stops, and after `STREAM_SECONDS`.

        Raises:
            NotFound: there is no such study.
            Unavailable: there are too many open pages.
        """
        study = await self._store.read(lambda transaction: get_study(transaction, name))
        async for mark in self._follow(study.key, seen):
            yield mark

    async def of_all(self, seen: str, projects: frozenset[str] | None = None) -> AsyncIterator[str]:
        """Yield the mark of the list of studies of these projects, or of all, like `of_study`."""
        async for mark in self._follow(ALL_STUDIES, seen, projects):
            yield mark

    async def _follow(self, study_key: int, seen: str, projects: frozenset[str] | None = None) -> AsyncIterator[str]:
        if len(self._pages) >= MAX_PAGES:
            raise Unavailable(f"{MAX_PAGES} pages follow their studies already, the maximum: reload from time to time")
        page = _OpenPage(study_key, seen, projects)
        self._pages.add(page)
        self._watcher.join(page)
        last = time.monotonic() + STREAM_SECONDS
        try:
            yield ""
            while not page.ended.is_set() and time.monotonic() < last:
                changed = await page.wait(SILENT_SECONDS) and page.latest != page.seen
                page.seen = page.latest
                yield page.seen if changed else ""
                if changed:
                    pause = max(LEAST_PAUSE_SECONDS, math.ceil(len(self._pages) / REFRESHES_PER_SECOND))
                    await page.rest(pause - time.monotonic() % pause)
        finally:
            self._watcher.leave(page)
            self._pages.discard(page)
