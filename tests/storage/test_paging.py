"""Pages of what may be large: limited in bytes as well as in entries, and whatever its size, an entry comes."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.study_list import StudyFilter
from dodona_server.domain.trials.listing import Listing, Order
from dodona_server.domain.trials.trial import Measurement, RankingPosition, Trial, TrialState
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.storage import events
from dodona_server.storage.engine.paging import PAGE_BYTES
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies, study_list
from dodona_server.storage.trials import listing, measurements, ranking, trials
from tests.storage.crowded import SPEC

HERE = Location("p", "l")
# One fits on a page, two do not.
LARGE = {"note": "\u00e9" * (PAGE_BYTES // 3)}
SMALL = {"note": "x"}


@pytest.fixture
def store(database_url):
    opened = open_store(database_url)
    yield opened
    opened.close()


def read(store, query):
    return asyncio.run(store.read(query))


def finished(number, metadata):
    final = Measurement({SPEC.objective.id: float(number)}, 1, 1.0)
    return Trial(
        number,
        TrialState.SUCCEEDED,
        {"x": 0.5},
        create_time=1.0,
        start_time=1.0,
        end_time=2.0,
        attempt=1,
        final_measurement=final,
        metadata=metadata,
    )


@pytest.fixture
def study(store):
    """Its third and its fourth trial are large."""

    def make(transaction):
        made = studies.insert(transaction, StudyName(HERE, "s"), "s", SPEC, 7, 1.0)
        added = [finished(number, LARGE if number in (3, 4) else SMALL) for number in range(1, 7)]
        trials.insert(transaction, made, added)
        return dataclasses.replace(made, next_trial_number=7)

    return asyncio.run(store.run(make))


def pages_of(read_page, limit):
    """The numbers on each page, until there are no more."""
    last, pages = 0, []
    while True:
        page = read_page(last, limit)
        pages.append([trial.number for trial in page.entries])
        if not page.more:
            return pages
        last = page.entries[-1].number


def test_a_page_ends_before_it_is_too_large(store, study):
    def listed(last, limit):
        return read(store, lambda t: trials.page(t, study, last, limit))

    assert pages_of(listed, 1000) == [[1, 2, 3], [4, 5, 6]]
    assert pages_of(listed, 2) == [[1, 2], [3], [4, 5], [6]]
    assert pages_of(listed, 6) == [[1, 2, 3], [4, 5, 6]]
    assert pages_of(lambda last, limit: listed(last + 6, limit), 5) == [[]]


def test_what_is_not_shown_takes_no_room_and_is_not_read(store, study):
    def listed(last, limit):
        return read(store, lambda t: trials.page_briefly(t, study, last, limit))

    assert pages_of(listed, 1000) == [[1, 2, 3, 4, 5, 6]]
    assert pages_of(listed, 5) == [[1, 2, 3, 4, 5], [6]]
    assert not any(trial.metadata for trial in listed(0, 9).entries)
    for order in Order:
        shown = read(store, lambda t, order=order: listing.page(t, study, Listing(order=order), 9)).entries
        assert shown
        assert {trial.number for trial in shown if trial.metadata} == {1, 2, 5, 6}
    assert read(store, lambda t: trials.find_brief(t, study, 3)).metadata == {}


def test_measurements_take_room_too(store, study):
    large = {f"metric {number} {'x' * 200}": 0.5 for number in range(1000)}
    each = PAGE_BYTES // 400_000

    def measure(transaction):
        for number in (1, 2, 5):
            for step in range(1, each + 1):
                measurements.measure(transaction, study.key, number, 1, Measurement(large, step, 1.0))

    asyncio.run(store.run(measure))
    queries = TrialQueries(store)
    pages = pages_of(lambda last, limit: asyncio.run(queries.page(study.name, last, limit)), 1000)
    assert pages == [[1], [2, 3], [4, 5, 6]]
    (first,) = asyncio.run(queries.page(study.name, 0, 1)).entries
    assert len(first.measurements) == each
    numbered = asyncio.run(queries.numbered(study.name, [1, 2, 5, 6]))
    assert ([trial.number for trial in numbered.entries], numbered.more) == ([1], True)
    unmeasured = pages_of(lambda last, limit: asyncio.run(queries.page(study.name, last, limit, measured=False)), 1000)
    assert unmeasured == [[1, 2, 3], [4, 5, 6]]


def test_the_ranking_comes_in_such_pages(store, study):
    order = sorted(range(1, 7), reverse=study.spec.objective.goal.value == "MAXIMIZE")
    place, seen, sizes = None, [], []
    while True:
        page = read(store, lambda t, at=place: ranking.listed(t, study, at, 1000))
        seen += [trial.number for trial in page.entries]
        sizes.append(len(page.entries))
        if not page.more:
            break
        place = RankingPosition(ranking.objective(study, page.entries[-1]), page.entries[-1].number)
    assert seen == order
    assert len(sizes) == 2


def test_trials_by_their_numbers_come_in_such_pages(store, study):
    wanted = [6, 4, 99, 3, 1]
    page = read(store, lambda t: trials.numbered(t, study.key, wanted))
    assert ([trial.number for trial in page.entries], page.more) == ([6, 4], True)
    page = read(store, lambda t: trials.numbered(t, study.key, wanted[3:]))
    assert ([trial.number for trial in page.entries], page.more) == ([3, 1], False)
    assert read(store, lambda t: trials.numbered(t, study.key, [])).entries == []


def test_studies_and_events_come_in_such_pages(store, study):
    def add(transaction):
        made = [
            studies.insert(transaction, StudyName(HERE, name), name, SPEC, 7, 1.0, LARGE) for name in ("a", "b", "c")
        ]
        detail = LARGE["note"]
        happened = [Event(EventKind.TRIAL_INFEASIBLE, 1.0, number, detail) for number in range(3)]
        events.append(transaction, study.key, happened)
        events.number(transaction, study)
        return made

    made = asyncio.run(store.run(add))
    page = read(store, lambda t: studies.page(t, HERE, 0, 1000))
    assert ([one.key for one in page.entries], page.more) == ([study.key, made[0].key], True)
    page = read(store, lambda t: study_list.page(t, StudyFilter(), 0, 1000))
    assert (len(page.entries), page.more) == (4, False)
    assert not any(one.study.metadata for one in page.entries)
    page = read(store, lambda t: events.page(t, study.key, 0, 1000))
    assert ([event.number for event in page.entries], page.more) == ([1], True)
    page = read(store, lambda t: events.page(t, study.key, 2, 1000))
    assert ([event.number for event in page.entries], page.more) == ([3], False)
