"""Watcher for all who follow studies: one query from time to time, whatever the number of followers."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

from dodona_server.domain.errors import Unavailable
from dodona_server.storage import events
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import leases

# The time between two looks.
LOOK_SECONDS = 0.5
# The key under which a follower follows the list of studies.
ALL_STUDIES = 0
# Events of one look whose projects are read; the rest is for the next look.
MAX_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Mark:
    """Progress of a study, or of the list of studies; two equal marks mean that nothing has happened.

    Args:
        event: the number of the study's last event; the key of the last event of all studies; how often something was
            new in some projects.
        heard: when a worker of the study last showed that it is alive, in seconds since the epoch; 0 for none. For
            projects, when that count began.
    """

    event: int
    heard: float

    def __str__(self) -> str:
        return f"{self.event}-{self.heard:.3f}"


class Follower(ABC):
    """Someone who follows a study, or the list of those of some projects: which mark they know, what wakes them."""

    def __init__(self) -> None:
        self.study_key: int | None = None
        self.projects: frozenset[str] | None = None
        self.woken = asyncio.Event()
        self.ended = asyncio.Event()

    @abstractmethod
    def is_news(self, mark: Mark) -> bool:
        """Return whether the follower does not know this mark."""

    def end(self) -> None:
        """End what the follower waits for: its study was deleted, or the server stops."""
        self.ended.set()
        self.woken.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until there is news; return False if there is none in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return False
        self.woken.clear()
        return True

    async def rest(self, seconds: float) -> None:
        """Wait that long, or until the end."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return


class Watcher:
    """Looks at the followed studies, and wakes those for whom there is news.

    Args:
        store: where studies are kept.
        stopping: set when the server is to stop; all followers then end.
    """

    def __init__(self, store: Store, stopping: threading.Event) -> None:
        self._store = store
        self._stopping = stopping
        self._followers: set[Follower] = set()
        self._looking: asyncio.Task[None] | None = None
        self._of_projects = _OfProjects()

    def join(self, follower: Follower) -> None:
        """Add a follower; it is looked for once it has the key of its study."""
        self._followers.add(follower)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._watch())

    def leave(self, follower: Follower) -> None:
        """Remove a follower."""
        self._followers.discard(follower)

    async def _watch(self) -> None:
        self._of_projects = _OfProjects()
        while self._followers and not self._stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            followed = {one.study_key for one in self._followers if one.study_key is not None}
            try:
                marks = await self._marks(followed) if followed else {}
            except Unavailable:
                # Try again until the database answers or the clients give up.
                continue
            for follower in [one for one in self._followers if one.study_key in followed]:
                projects = follower.projects
                mark = (
                    marks.get(follower.study_key or ALL_STUDIES)
                    if projects is None
                    else self._of_projects.mark(projects)
                )
                if mark is None:
                    follower.end()
                elif follower.is_news(mark):
                    follower.woken.set()
        for follower in self._followers:
            follower.end()

    async def _marks(self, keys: set[int]) -> dict[int, Mark]:
        """Return the mark of each followed study that is not deleted."""
        of_studies = sorted(keys - {ALL_STUDIES})
        newest, heard, last = await self._store.read(lambda transaction: _look(transaction, of_studies))
        if any(one.projects is not None for one in self._followers):
            await self._of_projects.look(self._store, last)
        numbers = {key: number for key, (number, _) in newest.items()}
        for key in [key for key, (_, unnumbered) in newest.items() if unnumbered]:
            numbers[key] = await self._store.run(lambda transaction, key=key: _number(transaction, key))  # type: ignore[misc]
        return {ALL_STUDIES: Mark(last, 0.0)} | {key: Mark(number, heard[key]) for key, number in numbers.items()}


class _OfProjects:
    """Counts the looks that found something new, by project: the keys of events would count those of other projects."""

    def __init__(self) -> None:
        self._begun = time.time()
        self._seen: int | None = None
        self._news = Counter[str]()

    def mark(self, projects: frozenset[str]) -> Mark:
        """Return the mark of the list of studies of these projects."""
        return Mark(sum(self._news[project] for project in projects), self._begun)

    async def look(self, store: Store, last: int) -> None:
        """Count what is new up to the event with the key `last`."""
        if self._seen is None:
            self._seen = last
        seen = self._seen
        if seen < last:
            found = await store.read(lambda transaction: events.projects_after(transaction, seen, MAX_EVENTS))
            self._news.update({project for _, project in found})
            self._seen = found[-1][0] if found else last


def _look(transaction: Transaction, keys: list[int]) -> tuple[dict[int, tuple[int, bool]], dict[int, float], int]:
    return (
        events.newest(transaction, keys),
        {key: leases.heard(transaction, key) for key in keys},
        events.last_key(transaction),
    )


def _number(transaction: Transaction, study_key: int) -> int:
    """Assign numbers to the study's events, and return the last number; 0 if the study was deleted meanwhile."""
    named = studies.find_key(transaction, study_key)
    study = named and studies.find(transaction, named.name, lock=True)
    if study is None or study.key != study_key:
        return 0
    events.number(transaction, study)
    return events.newest(transaction, [study_key])[study_key][0]
