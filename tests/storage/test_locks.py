"""The lock of a study in PostgreSQL: one suggestion at a time, and events of other servers meanwhile."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.storage import events
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from tests.storage.crowded import SPEC

NAME = StudyName(Location("p", "l"), "s")


@pytest.fixture
def store(postgres_url):
    opened = open_store(postgres_url)
    asyncio.run(opened.run(lambda transaction: studies.insert(transaction, NAME, "s", SPEC, 7, 1.0)))
    yield opened
    opened.close()


@pytest.fixture
def impatient(store):
    """A transaction that fails if it has to wait for a lock."""
    with store.engine.begin() as transaction:
        transaction.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        yield transaction


def happened(transaction, study):
    events.append(transaction, study.key, [Event(EventKind.TRIAL_SUCCEEDED, 1.0, 1)])


def test_an_event_of_a_study_that_another_server_has_locked_does_not_wait(store, impatient):
    with store.engine.begin() as holder:
        study = studies.find(holder, NAME, lock=True)
        happened(impatient, study)


def test_nor_does_the_lock_of_a_study_that_gets_events(store, impatient):
    # Both would have an event and want the lock: with the stronger lock, this is a deadlock.
    with store.engine.begin() as other:
        happened(other, studies.find(other, NAME))
        assert studies.find(impatient, NAME, lock=True)
        happened(impatient, studies.find(impatient, NAME))


def test_the_lock_itself_waits_for_the_lock(store, impatient):
    with store.engine.begin() as holder:
        studies.find(holder, NAME, lock=True)
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            studies.find(impatient, NAME, lock=True)
