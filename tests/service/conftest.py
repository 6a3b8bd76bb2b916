"""The services over a real database of each kind, without HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Study, StudySpec
from dodona_server.domain.trials.trial import Trial
from dodona_server.service.computing.pool import FittingPool
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.maintenance import Maintenance
from dodona_server.service.operations import OperationService, SuggestResult
from dodona_server.service.steering import StudySteering
from dodona_server.service.studies.studies import StudyService
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.trials import TrialService
from dodona_server.storage.engine.store import Store
from dodona_server.storage.schema.opening import open_store

T = TypeVar("T")
HERE = Location("p", "l")
NAME = StudyName(HERE, "s")
SPACE = SearchSpace((Parameter("x", Double(0.0, 1.0)),))
METRICS = (Metric("loss", Goal.MINIMIZE),)


class Services:
    """All services of one store; each call runs on an event loop that stays the same."""

    def __init__(self, store: Store) -> None:
        schedule = Schedule(FittingPool(store, 1))
        self.store = store
        self.stopping = threading.Event()
        self.studies = StudyService(store, time.time, schedule)
        self.steering = StudySteering(store, time.time)
        self.trials = TrialService(store, time.time, schedule)
        self.suggestions = SuggestionService(store, time.time, self.stopping, schedule)
        self.queries = TrialQueries(store)
        self.operations = OperationService(store, time.time)
        self.maintenance = Maintenance(store, time.time, self.stopping)
        self.schedule = schedule
        self._runner = asyncio.Runner()
        self.run(self.maintenance.look())  # the first time it gives all leases longer

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    def close(self) -> None:
        self.schedule.close()
        self._runner.close()

    def study(self, study_id: str = "s", **spec: Any) -> Study:
        """A new study whose algorithm needs no process."""
        given = {"metrics": METRICS, "space": SPACE, "algorithm": "RANDOM_SEARCH", **spec}
        return self.run(self.studies.create(HERE, study_id, study_id, StudySpec(**given), 7))

    def answer(self, client: str = "w", count: int = 1, wait: float = 0.0, **more: Any) -> SuggestResult:
        """What a call to suggest for the study "s" is answered with."""
        return self.run(self.suggestions.suggest(NAME, SuggestRequest(client, count, **more), wait))

    def suggest(self, client: str = "w", count: int = 1, wait: float = 0.0, **more: Any) -> list[Trial]:
        """The trials that it hands out."""
        return list(self.answer(client, count, wait, **more).trials)

    def expire(self, number: int) -> None:
        """Waits until the lease of the trial has run out, and lets maintenance look."""
        lease = self.trial(number).lease
        assert lease is not None
        time.sleep(max(0.0, lease.left) + 0.01)
        self.run(self.maintenance.look())

    def trial(self, number: int) -> Trial:
        """The trial of the study "s" as it is now."""
        return self.run(self.queries.get(TrialName(NAME, number)))


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    store = open_store(database_url)
    made = Services(store)
    yield made
    made.close()
    store.close()
