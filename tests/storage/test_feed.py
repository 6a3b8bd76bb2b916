"""Who follows a study: told of what happens, by one look for all, up to a limit, and let go at the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dodona_server.domain.errors import NotFound, Unavailable
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.service.following.feed import Feed
from dodona_server.service.following.watcher import Watcher
from dodona_server.storage import events
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import removal, studies
from tests.storage.crowded import SPEC

HERE = Location("p", "l")


@pytest.fixture
def store(database_url):
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def made(store):
    """Two studies."""

    def make(transaction):
        return [studies.insert(transaction, StudyName(HERE, name), name, SPEC, 7, 1.0) for name in ("a", "b")]

    return asyncio.run(store.run(make))


async def happen(store, study, *numbers):
    happened = [Event(EventKind.TRIAL_ACTIVE, 1.0, number) for number in numbers]
    await store.run(lambda transaction: events.append(transaction, study.key, happened))


async def next_trials(following):
    """The trials of the next events; of what comes meanwhile to keep the connection open nothing."""
    while not (happened := await anext(following)):
        pass
    return [event.trial_number for event in happened]


def test_all_who_follow_a_study_are_told_what_happens_there(store, made):
    first, second = made

    async def scenario():
        feed = Feed(store, Watcher(store, threading.Event()))
        of_first = [feed.follow(first.name, 0) for _ in range(3)]
        of_second = feed.follow(second.name, 0)
        for following in (*of_first, of_second):
            assert await anext(following) == []
        await happen(store, first, 1, 2)
        for following in of_first:
            assert await next_trials(following) == [1, 2]
        await happen(store, second, 7)
        await happen(store, first, 3)
        assert await next_trials(of_second) == [7]
        for following in of_first:
            assert await next_trials(following) == [3]
        # Who comes later begins where it says.
        assert await next_trials(feed.follow(first.name, 2)) == [3]

    asyncio.run(scenario())


def test_so_many_may_follow_and_no_more(store, made):
    async def scenario():
        feed = Feed(store, Watcher(store, threading.Event()), max_followers=2)
        following = [feed.follow(study.name, 0) for study in made]
        for each in following:
            await anext(each)
        with pytest.raises(Unavailable, match="2 streams of events are open"):
            await anext(feed.follow(made[0].name, 0))
        await following[0].aclose()
        assert await anext(feed.follow(made[0].name, 0)) == []

    asyncio.run(scenario())


def test_who_follows_nothing_takes_no_place(store, made):
    async def scenario():
        feed = Feed(store, Watcher(store, threading.Event()), max_followers=1)
        with pytest.raises(NotFound):
            await anext(feed.follow(StudyName(HERE, "none"), 0))
        assert await anext(feed.follow(made[0].name, 0)) == []

    asyncio.run(scenario())


def test_a_stream_ends_with_its_study_and_with_the_server(store, made):
    async def scenario():
        stopping = threading.Event()
        feed = Feed(store, Watcher(store, stopping))
        gone, left = (feed.follow(study.name, 0) for study in made)
        assert (await anext(gone), await anext(left)) == ([], [])
        await store.run(lambda transaction: removal.remove(transaction, made[0].key))
        assert [happened async for happened in gone if happened] == []
        stopping.set()
        assert [happened async for happened in left if happened] == []

    asyncio.run(scenario())
