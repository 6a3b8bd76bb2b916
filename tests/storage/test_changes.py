"""Who keeps a page open hears that something has changed: by one look for all pages, and not too often."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from dodona_server.domain.errors import NotFound, Unavailable
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import Lease, Trial, TrialState
from dodona_server.service.following import changes as subject
from dodona_server.service.following.changes import Changes
from dodona_server.service.following.watcher import Watcher
from dodona_server.storage import events
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import removal, studies
from dodona_server.storage.trials import leases, trials
from tests.storage.crowded import SPEC

HERE = Location("p", "l")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def made(store: Store) -> list[Study]:
    """Two studies."""

    def make(transaction: Transaction) -> list[Study]:
        return [studies.insert(transaction, StudyName(HERE, name), name, SPEC, 7, 1.0) for name in ("a", "b")]

    return asyncio.run(store.run(make))


def changes_of(store: Store) -> Changes:
    return Changes(store, Watcher(store, threading.Event()))


async def happen(store: Store, study: Study) -> None:
    happened = [Event(EventKind.TRIAL_ACTIVE, 1.0, 1)]
    await store.run(lambda transaction: events.append(transaction, study.key, happened))


async def told(marks: AsyncIterator[str]) -> str:
    """The next mark; what keeps the connection open is skipped."""
    while not (mark := await anext(marks)):
        pass
    return mark


def test_pages_are_told_of_their_study_and_the_list_of_all(store: Store, made: list[Study]) -> None:
    first, second = made

    async def scenario() -> None:
        changes = changes_of(store)
        of_first, of_second, of_all = (
            changes.of_study(first.name, ""),
            changes.of_study(second.name, "0-0.000"),
            changes.of_all(""),
        )
        assert [await anext(one) for one in (of_first, of_second, of_all)] == ["", "", ""]
        # Who knows no mark is told the present one, in case the page is older.
        assert await told(of_first) == "0-0.000"
        before = await told(of_all)
        await happen(store, second)
        assert await told(of_second) == "1-0.000"
        assert await told(of_all) != before
        # Who comes back with the last mark hears of nothing older.
        again = changes.of_study(second.name, "1-0.000")
        assert await anext(again) == ""
        await happen(store, second)
        assert await told(again) == "2-0.000"

    asyncio.run(scenario())


def test_a_member_of_some_projects_hears_of_these_alone(store: Store, made: list[Study]) -> None:
    def make(transaction: Transaction) -> Study:
        return studies.insert(transaction, StudyName(Location("q", "l"), "c"), "c", SPEC, 7, 1.0)

    other = asyncio.run(store.run(make))

    async def scenario() -> None:
        changes = changes_of(store)
        of_p, of_q = changes.of_all("", frozenset({"p"})), changes.of_all("", frozenset({"q", "none"}))
        assert [await anext(one) for one in (of_p, of_q)] == ["", ""]
        first, began = (await told(of_p)).split("-")
        assert first == "0"
        assert await told(of_q) == f"0-{began}"
        for _ in range(2):
            await happen(store, other)
        heard = await told(of_q)
        assert heard.endswith(f"-{began}")
        assert heard != f"0-{began}"
        # Nothing counts what happened elsewhere.
        await happen(store, made[0])
        assert await told(of_p) == f"1-{began}"

    asyncio.run(scenario())


def test_a_report_is_a_change_too(store: Store, made: list[Study]) -> None:
    study = made[0]
    run = Trial(1, TrialState.ACTIVE, {"x": 0.5}, "w", attempt=1, create_time=1.0, lease=Lease(60.0))

    async def scenario() -> None:
        await store.run(lambda transaction: trials.insert(transaction, study, [run], lease_seconds=60.0))
        await store.run(lambda transaction: leases.assign(transaction, study.key, run))
        marks = changes_of(store).of_study(study.name, "")
        first = await told(marks)
        assert first.startswith("0-")
        assert first != "0-0.000"
        await store.run(lambda transaction: leases.extend_lease(transaction, study.key, run))
        assert await told(marks) != first

    asyncio.run(scenario())


def test_a_page_is_told_the_latest_of_many_changes(
    store: Store, made: list[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The longer the pause, the more changes are one.
    monkeypatch.setattr(subject, "LEAST_PAUSE_SECONDS", 1.5)

    async def scenario() -> None:
        marks = changes_of(store).of_study(made[0].name, "")
        await told(marks)
        for _ in range(3):
            await happen(store, made[0])
        # The pause ends at a multiple of its length: now a whole one begins.
        await asyncio.sleep(-time.monotonic() % 1.5 + 0.05)
        assert await told(marks) == "3-0.000"

    asyncio.run(scenario())


def test_streams_end_and_no_more_than_so_many_are_open(
    store: Store, made: list[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "MAX_PAGES", 2)

    async def scenario() -> None:
        stopping = threading.Event()
        changes = Changes(store, Watcher(store, stopping))
        with pytest.raises(NotFound):
            await anext(changes.of_study(StudyName(HERE, "none"), ""))
        gone, left = changes.of_study(made[0].name, "0-0.000"), changes.of_all("")
        assert [await anext(gone), await anext(left)] == ["", ""]
        with pytest.raises(Unavailable, match="2 pages follow"):
            await anext(changes.of_all(""))
        await store.run(lambda transaction: removal.remove(transaction, made[0].key))
        assert not any([mark async for mark in gone])
        stopping.set()
        # An empty mark is a sign of life.
        assert len([mark async for mark in left if mark]) <= 1
        assert await anext(changes.of_all("")) == ""

    asyncio.run(scenario())
