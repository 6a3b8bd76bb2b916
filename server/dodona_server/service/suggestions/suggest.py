"""Assign trials to a client that asks: in one transaction, for which the algorithm has computed its points."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, QuotaExceeded
from dodona_server.domain.event import SERVER, Event, EventKind
from dodona_server.domain.names import OperationName, StudyName
from dodona_server.domain.reasons import shortened
from dodona_server.domain.studies.study import Study, StudyState
from dodona_server.domain.trials.trial import Trial
from dodona_server.domain.worker import StopOrder
from dodona_server.observation import metrics, tracing
from dodona_server.service.budget import complete_if_over, complete_study
from dodona_server.service.computing.asks import AlgorithmFailed, Ask, Computed
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.operations import SuggestResult, suggest_result, with_last_steps
from dodona_server.service.quotas import NO_LIMITS, Quotas
from dodona_server.service.studies.lookup import get_study, lock_study_ahead
from dodona_server.service.suggestions.existing_trials import followed, own_trials, take_queued
from dodona_server.service.suggestions.look_ahead import OPERATIONS, PointsNeeded, at_once, look_ahead, operation_of
from dodona_server.service.suggestions.new_trials import SuggestRound, create
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.turns import Turns
from dodona_server.storage import events, operations, workers
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import available, leases, trials
from dodona_server.storage.trials.available import Available

MAX_WAIT_SECONDS = 30.0
# The number of studies of which a server remembers that their algorithm needs no process.
MOST_STUDIES = 1000
# A study is paused after this many failures of its algorithm in a row.
MAX_FAILURES = 20


@dataclass(frozen=True, slots=True)
class PartialResult:
    """Trials assigned so far to a call that gets more in another transaction."""

    trials: Sequence[Trial]


Answer = SuggestResult | SuggestOperation | PartialResult | PointsNeeded


@dataclass(slots=True)
class _Call:
    """A call and how far it has come; see `SuggestRound` for the fields of that name.

    Args:
        until: when the call is answered at the latest, on the monotonic clock.
        asked: when it began to wait for points, on the monotonic clock.
        counted: the failure that a transaction has counted.
    """

    name: StudyName
    request: SuggestRequest
    arrived: float
    until: float
    asked: float
    computed: Computed | None = None
    failure: AlgorithmFailed | None = None
    counted: AlgorithmFailed | None = None
    before: Sequence[Trial] = ()

    @property
    def left(self) -> float:
        """Seconds that it may still wait."""
        return self.until - time.monotonic()

    def next_round(self, *, stopping: bool) -> SuggestRound:
        """Return the next attempt to find trials."""
        return SuggestRound(
            request=self.request,
            arrived=self.arrived,
            waited_seconds=time.monotonic() - self.asked,
            computed=self.computed,
            failure=self.failure,
            failure_is_new=self.failure is not self.counted,
            is_last=self.left <= 0 or stopping,
            before=self.before,
        )


class SuggestionService:
    """Assigns trials to clients.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        stopping: set when the server is to stop; waiting calls are then answered.
        schedule: computes the suggestions of algorithms that need a process.
        quotas: of projects.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        stopping: threading.Event,
        schedule: Schedule,
        quotas: Quotas | None = None,
    ) -> None:
        self._quotas = quotas or Quotas(store, NO_LIMITS)
        self._store = store
        self._clock = clock
        self._stopping = stopping
        self._schedule = schedule
        self._turns = Turns(stopping)
        # The latest studies whose algorithm needed no process; a look ahead would cost their calls a query.
        self._inline: dict[StudyName, None] = {}

    async def suggest(self, name: StudyName, request: SuggestRequest, wait_seconds: float = 0.0) -> SuggestResult:
        """Assign up to `request.count` trials: the client's own first, then queued ones in order, then new ones.

        Args:
            name: the study.
            request: the client's.
            wait_seconds: how long to wait if there is no trial now but may be one later.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the request is not valid.
            QuotaExceeded: there is no trial for the call, and the project may have no new one.
        """
        if not 0 <= wait_seconds <= MAX_WAIT_SECONDS:
            raise InvalidArgument(f"{wait_seconds!r} is not from 0 to {MAX_WAIT_SECONDS} seconds", "wait")
        began = time.monotonic()
        call = _Call(name, request, self._clock(), began + wait_seconds, began)
        with tracing.span("suggestion", {"dodona.study": str(name)}):
            return await self._answer(call)

    async def _answer(self, call: _Call) -> SuggestResult:
        """Return the answer to a call, however many transactions it takes."""
        while True:
            left = call.left
            match await self._look(call) or await self._assign(call):
                case SuggestResult() as result:
                    self._turns.pass_on(call.name)
                    return result
                case SuggestOperation() as operation:
                    return await self._store.read(functools.partial(_again, call.name, operation))
                case PartialResult(trials):
                    # A failure of the algorithm holds for the rest of the call.
                    call.before = trials
                case PointsNeeded() as needed:
                    call.before = needed.assigned
                    await self._compute(call, needed)
                case None:
                    call.failure = None
                    await self._turns.wait(call.name, left)
                    call.asked = time.monotonic()

    async def _look(self, call: _Call) -> PointsNeeded | None:
        """Return the points that the call needs, if that can be told before a transaction assigns trials."""
        if call.computed or call.failure or call.before or call.name in self._inline:
            return None
        look = await self._store.read(
            lambda transaction: look_ahead(transaction, call.name, call.request, self._clock())
        )
        if look.is_inline:
            self._inline[call.name] = None
            if len(self._inline) > MOST_STUDIES:
                del self._inline[next(iter(self._inline))]
        return look.needed

    async def _assign(self, call: _Call) -> Answer | None:
        """Assign trials to the call, with the points that were computed for it."""
        this_round = call.next_round(stopping=self._stopping.is_set())
        try:
            answer = await self._store.run(functools.partial(self._suggest, call.name, this_round), call.name)
        finally:
            if call.computed is not None:
                call.computed.used.set()
        call.computed, call.counted = None, call.failure
        return answer

    async def _compute(self, call: _Call, needed: PointsNeeded) -> None:
        """Compute points for the call with the algorithm."""
        self._inline.pop(call.name, None)
        ask = Ask(needed.study, tuple(needed.spaces), needed.count, needed.results, call.asked)
        try:
            with metrics.SUGGESTION.labels(needed.study.spec.algorithm).time():
                call.computed = await self._schedule.points(ask)
        except AlgorithmFailed as error:
            call.failure = error

    def _suggest(self, name: StudyName, this_round: SuggestRound, transaction: Transaction) -> Answer | None:
        """Return the answer, a part of it, or the stored answer to the same request.

        None if there is no trial now and the call should wait.
        """
        request = this_round.request
        asked = request.identified(name)
        # In one round trip. The study comes first: what the others see is locked with it.
        find_study = lock_study_ahead(transaction, name)
        find_made = asked.result_ahead(transaction, name) if asked else None
        there = available.find(transaction, name, request.client_id)
        study = find_study()
        made = find_made() if find_made else None
        if made and isinstance(operation := operation_of(transaction, study, made), SuggestOperation):
            return operation
        now = self._clock()
        workers.seen(transaction, study.key, request.client_id, request.agent, request.gpus, there.stop, now)
        study = complete_if_over(transaction, study, now)
        if this_round.failure and this_round.failure_is_new:
            study = _count_failure(transaction, study, this_round.failure, now)
        assigned = followed(transaction, study, request) if request.follows else list(this_round.before)
        stopped = there.stop is not StopOrder.NONE and not assigned
        if stopped:
            # Any client ends when there is nothing left to suggest.
            study = study.in_state(StudyState.COMPLETED)
        elif there.own and not assigned:
            assigned, study = own_trials(transaction, study, request, this_round.arrived, now)
        if study.state is StudyState.ACTIVE and len(assigned) < request.count and not request.follows:
            more, study = _assign_more(transaction, study, this_round, there, assigned, now, self._quotas)
            if more is not None:
                return more
        if not assigned and study.state is not StudyState.COMPLETED and not this_round.is_last:
            return None
        operation = SuggestOperation(
            operation_id=operations.new_id(now),
            client_id=request.client_id,
            trial_numbers=[trial.number for trial in assigned],
            study_state=study.state,
            create_time=now,
            suggestion_count=request.count,
        )
        operations.insert(transaction, study.key, operation)
        if asked:
            asked.keep(transaction, study.key, now, f"{OPERATIONS}{operation.operation_id}", again=made is not None)
        assigned = with_last_steps(transaction, study.key, assigned)
        operation_name = OperationName(name, operation.operation_id)
        return SuggestResult(operation_name, request.client_id, assigned, study.state, now, request.count, stopped)


def _assign_more(
    transaction: Transaction,
    study: Study,
    this_round: SuggestRound,
    there: Available,
    assigned: list[Trial],
    now: float,
    quotas: Quotas,
) -> tuple[PartialResult | PointsNeeded | None, Study]:
    """Append queued and new trials to those assigned.

    Return why the call needs another transaction, None if it does not, and the study.
    """
    request = this_round.request
    room = at_once(study, request.count - len(assigned))
    used_up, needed = False, None
    if there.queued:
        queued, used_up, needed = take_queued(transaction, study, this_round, room, now)
        assigned += queued
        room -= len(queued)
    if room and not used_up and needed is None:
        try:
            allowed = quotas.new_trials(transaction, study.name.parent.project, room)
        except QuotaExceeded:
            if assigned:
                return None, study
            raise
        created = create(transaction, study, this_round, allowed, now)
        if isinstance(created, PointsNeeded):
            needed = created
        else:
            assigned += created.trials
            room -= len(created.trials)
            if created.over:
                study = _state_when_over(transaction, study, request, created.reason, now)
    if needed is not None:
        return dataclasses.replace(needed, assigned=tuple(assigned)), study
    if len(assigned) < request.count and (used_up or not room):
        return PartialResult(tuple(assigned)), study
    return None, study


def _again(name: StudyName, operation: SuggestOperation, transaction: Transaction) -> SuggestResult:
    """Return the answer to a repeated call: its trials without those that were reassigned since."""
    study = get_study(transaction, name)
    before = suggest_result(transaction, name, study.key, operation)
    still = [
        trial
        for trial in before.trials
        if trial.client_id == before.client_id and (trial.start_time or 0.0) <= before.create_time
    ]
    if len(still) == len(before.trials):
        return before
    return dataclasses.replace(before, trials=still, study_state=study.state)


def _state_when_over(transaction: Transaction, study: Study, request: SuggestRequest, reason: str, now: float) -> Study:
    """Return the study as a client without a further trial sees it: COMPLETED, unless a trial may become free.

    A client that asks for leases knows that trials may be reassigned, so it waits for those that others run.
    """
    if request.lease_seconds and leases.run_elsewhere(transaction, study, request.client_id):
        return study
    if not request.contexts and trials.any_queued(transaction, study):
        # Another transaction has locked it at this moment; the next round finds it.
        return study
    if not trials.any_unfinished(transaction, study):
        return complete_study(transaction, study, reason, now)
    # Trials may still run, but there is nothing else to suggest.
    return study.in_state(StudyState.COMPLETED)


def _count_failure(transaction: Transaction, study: Study, failure: AlgorithmFailed, now: float) -> Study:
    """Count a failure of the algorithm and return the study, paused after `MAX_FAILURES` in a row.

    One failed computation counts once, however many workers waited for it.
    """
    failures = study.algorithm_failures + failure.counts
    studies.set_failures(transaction, study, failures)
    happened = [Event(EventKind.SUGGESTION_FALLBACK, now, detail=shortened(str(failure)), actor=SERVER)]
    if failures >= MAX_FAILURES and study.state is StudyState.ACTIVE:
        reason = shortened(f"{study.spec.algorithm} failed {failures} times in a row; at last: {failure}")
        studies.set_state(transaction, study, StudyState.INACTIVE, reason)
        # When the study is resumed, the algorithm gets as many attempts again.
        studies.set_failures(transaction, study, 0)
        happened.append(Event(EventKind.STUDY_PAUSED, now, detail=reason, actor=SERVER))
        study = study.in_state(StudyState.INACTIVE, reason)
    events.append(transaction, study.key, happened)
    return study
