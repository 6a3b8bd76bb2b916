"""Workers: who asks for trials, and who is asked to stop."""

from __future__ import annotations

from collections.abc import Callable

from dodona_server.domain.errors import Field, NotFound
from dodona_server.domain.event import USER, Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.transitions import Step
from dodona_server.domain.trials.trial import TrialState
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.domain.worker import ALIVE_SECONDS, StopOrder, Worker
from dodona_server.service.idempotency import IdempotentCall
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.ending import apply, end_attempt
from dodona_server.storage import events, workers
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.trials import trials

MAX_TRIALS_OF_WORKER = 1000


class WorkerService:
    """Lists workers, and asks them to stop.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def page(
        self,
        parent: Location | StudyName | None,
        *,
        alive: bool,
        skipped: int,
        limit: int,
        projects: frozenset[str] | None = None,
    ) -> tuple[Page[Worker], float]:
        """Return workers, those that run trials first, and the time of the answer, in seconds since the epoch.

        Args:
            parent: a study or a location; None for all.
            alive: only those that run a trial or have asked for one within a minute.
            skipped: how many to skip.
            limit: the largest number to return.
            projects: only those of studies in these projects; None for all.

        Raises:
            NotFound: there is no such study.
        """
        now = self._clock()

        def query(transaction: Transaction) -> Page[Worker]:
            study = get_study(transaction, parent) if isinstance(parent, StudyName) else None
            place = parent if isinstance(parent, Location) else None
            since = now - ALIVE_SECONDS if alive else 0.0
            found = workers.listed(transaction, place, study, since, skipped, limit + 1, projects)
            return Page(found[:limit], len(found) > limit)

        return await self._store.read(query), now

    async def stop(
        self, name: StudyName, client_id: str, *, at_once: bool, request_id: str | None = None
    ) -> tuple[Worker, float]:
        """Stop the worker: it gets no more trials of the study; return it, and the time.

        It learns so when it asks again. With `at_once` its trials go back to the queue, and it learns so at its next
        report or heartbeat.

        Raises:
            NotFound: there is no such study, or it knows no such worker.
        """

        def use_case(transaction: Transaction) -> Worker:
            study = get_study(transaction, name, lock=True)
            order = StopOrder.NOW if at_once else StopOrder.AFTER_TRIAL
            there = _require(transaction, study, client_id)
            if order is StopOrder.NOW:
                self._take_back(transaction, study, there)
            if there.stop is not order:
                workers.order(transaction, study.key, client_id, order)
                self._record(transaction, study, EventKind.WORKER_STOPPED, client_id)
            return _require(transaction, study, client_id)

        return await self._run(name, "stop", client_id, request_id, use_case)

    async def resume(self, name: StudyName, client_id: str, request_id: str | None = None) -> tuple[Worker, float]:
        """Resume the worker: it gets trials of the study again; return it, and the time.

        Raises:
            NotFound: there is no such study, or it knows no such worker.
        """

        def use_case(transaction: Transaction) -> Worker:
            study = get_study(transaction, name, lock=True)
            there = _require(transaction, study, client_id)
            if there.stop is StopOrder.NONE:
                return there
            workers.order(transaction, study.key, client_id, StopOrder.NONE)
            self._record(transaction, study, EventKind.WORKER_RESUMED, client_id)
            return _require(transaction, study, client_id)

        return await self._run(name, "resume", client_id, request_id, use_case)

    def _take_back(self, transaction: Transaction, study: Study, worker: Worker) -> None:
        """Put the worker's trials back into the queue; those that are stopping end with what they have measured."""
        for state in (TrialState.ACTIVE, TrialState.STOPPING):
            of_worker = (state, worker.client_id, MAX_TRIALS_OF_WORKER)
            for trial in trials.unfinished_trials(transaction, study, *of_worker):
                now = self._clock()
                step = end_attempt(transaction, study, trial, Verb.RELEASE, now, USER)
                if isinstance(step, Step):
                    apply(transaction, get_study(transaction, study.name, lock=True), trial, step, now)

    async def _run(
        self,
        name: StudyName,
        verb: str,
        client_id: str,
        request_id: str | None,
        use_case: Callable[[Transaction], Worker],
    ) -> tuple[Worker, float]:
        def again(transaction: Transaction) -> Worker:
            return _require(transaction, get_study(transaction, name), client_id)

        once = IdempotentCall(request_id, f"{verb} worker {client_id} of {name}", name, self._clock())
        return await self._store.run(once(use_case, again)), self._clock()

    def _record(self, transaction: Transaction, study: Study, kind: EventKind, detail: str) -> None:
        events.append(transaction, study.key, [Event(kind, self._clock(), detail=detail, actor=USER)])


def _require(transaction: Transaction, study: Study, client_id: str) -> Worker:
    worker = workers.find(transaction, study, client_id)
    if worker is None:
        raise NotFound((f"{study.name} has no worker with the ", Field("client_id"), f" {client_id!r}"))
    return worker
