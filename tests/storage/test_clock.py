"""A database's clock that is set to another time: no lease ends by it, and none lasts longer."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time

import pytest
import sqlalchemy as sa

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.service.maintenance import Maintenance
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from dodona_server.storage.tables import core as tables
from dodona_server.storage.trials import trials
from tests.storage.crowded import SPEC

LEASE = 60.0


@pytest.fixture
def store(database_url):
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def study(store):
    """With a trial that "w" runs on a lease."""

    def make(transaction):
        study = studies.insert(transaction, StudyName(Location("p", "l"), "s"), "s", SPEC, 7, 1.0)
        trial = Trial(1, TrialState.ACTIVE, {"x": 0.5}, client_id="w", attempt=1, create_time=1.0, start_time=1.0)
        trials.insert(transaction, study, [trial], lease_seconds=LEASE)
        studies.add_trials(transaction, study, 1)
        return dataclasses.replace(study, next_trial_number=2)

    return asyncio.run(store.run(make))


class Passing:
    """The monotonic clock, seen from a database whose clock can be set."""

    def __init__(self, store):
        self.store = store
        self.set_by = 0.0

    def __call__(self):
        return time.monotonic() - self.set_by

    def set(self, seconds):
        """Sets the database's clock: what is written there is earlier or later by as much."""
        moved = tables.trials.update().values(lease_expiry=tables.trials.c.lease_expiry - seconds)
        asyncio.run(self.store.run(lambda transaction: transaction.execute(moved)))
        self.set_by += seconds


def look(store, study, *clock_set_by):
    passing = Passing(store)
    maintenance = Maintenance(store, time.time, threading.Event(), monotonic=passing)
    asyncio.run(maintenance.look())
    for seconds in clock_set_by:
        passing.set(seconds)
        asyncio.run(maintenance.look())
    return asyncio.run(store.read(lambda transaction: trials.find(transaction, study, 1)))


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_clock_that_is_set_ends_no_lease_and_keeps_none_longer(store, study, seconds, caplog):
    trial = look(store, study, seconds)
    assert (trial.state, trial.client_id, trial.attempt) == (TrialState.ACTIVE, "w", 1)
    assert 0 < trial.lease.left <= LEASE
    assert "the database's clock was set to another time" in caplog.text


def test_a_lease_that_has_run_out_by_itself_ends(store, study, caplog):
    early = tables.trials.update().values(lease_expiry=sa.literal(1.0))
    look(store, study)
    asyncio.run(store.run(lambda transaction: transaction.execute(early)))
    maintenance = Maintenance(store, time.time, threading.Event())
    asyncio.run(maintenance.look())  # a server that has just come renews all leases
    asyncio.run(store.run(lambda transaction: transaction.execute(early)))
    asyncio.run(maintenance.look())
    trial = asyncio.run(store.read(lambda transaction: trials.find(transaction, study, 1)))
    assert trial.state is TrialState.REQUESTED
    assert "set to another time" not in caplog.text


def test_a_server_that_comes_back_renews_leases_that_would_end_before_their_workers_could_call(store, study):
    soon = tables.trials.update().values(lease_expiry=sa.literal(time.time() + 1.0))
    asyncio.run(store.run(lambda transaction: transaction.execute(soon)))
    trial = look(store, study)
    assert trial.state is TrialState.ACTIVE
    assert trial.lease.left > LEASE / 2
