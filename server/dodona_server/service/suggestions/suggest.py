"""Assign trials to a client that asks, in one transaction."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dodona_server.algorithms.registry import needs_history
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import OperationName, StudyName
from dodona_server.domain.reasons import shortened
from dodona_server.domain.space import MAX_PARAMETERS, agrees
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.transitions import Facts, Step, Verb, transition
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.service.budget import complete_if_over, complete_study
from dodona_server.service.computing.asks import AlgorithmFailed, Ask, Computed
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.operations import SuggestResult, suggest_result, with_last_steps
from dodona_server.service.saving import save
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.suggestions.new_trials import PointsNeeded, SuggestRound, create, fill
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.turns import Turns
from dodona_server.service.trials.ending import expire
from dodona_server.storage import events, leases, operations, studies, trials
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.store import Store, Transaction

MAX_WAIT_SECONDS = 30.0
# The most values written for new trials in one transaction: less than 0.1 s, which other writes wait for.
VALUES_AT_ONCE = 20_000
# The cost of a trial besides its values, in values.
ROW_VALUES = 10
# How many queued trials are searched for those that match a context.
MAX_QUEUED_LOOKED_AT = 10_000
# A study is paused after this many failures of its algorithm in a row.
MAX_FAILURES = 20


@dataclass(frozen=True, slots=True)
class PartialResult:
    """The trials assigned so far to a call that gets more in another transaction."""

    trials: Sequence[Trial]


class SuggestionService:
    """Assigns trials to clients.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        stopping: set when the server is to stop; waiting calls are then answered.
        schedule: computes the suggestions of algorithms that need a process.
    """

    def __init__(self, store: Store, clock: Callable[[], float], stopping: threading.Event, schedule: Schedule) -> None:
        self._store = store
        self._clock = clock
        self._stopping = stopping
        self._schedule = schedule
        self._turns = Turns(stopping)

    async def suggest(self, name: StudyName, request: SuggestRequest, wait_seconds: float = 0.0) -> SuggestResult:
        """Assign up to `request.count` trials: the client's own first, then queued ones in order, then new ones.

        Args:
            name: the study.
            request: the client's.
            wait_seconds: how long to wait if there is no trial now but may be one later.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the request is not valid.
        """
        if not 0 <= wait_seconds <= MAX_WAIT_SECONDS:
            raise InvalidArgument(f"{wait_seconds!r} is not from 0 to {MAX_WAIT_SECONDS} seconds", "wait")
        arrived = self._clock()
        began = asked = time.monotonic()
        computed: Computed | None = None
        failure: AlgorithmFailed | None = None
        before: Sequence[Trial] = ()
        while True:
            now = time.monotonic()
            left = began + wait_seconds - now
            is_last = left <= 0 or self._stopping.is_set()
            this_round = SuggestRound(request, arrived, now - asked, computed, failure, is_last, before)
            answer: SuggestResult | SuggestOperation | PartialResult | PointsNeeded | None
            try:
                answer = await self._store.run(functools.partial(self._suggest, name, this_round), name)
            except PointsNeeded as missing:
                answer = missing
            finally:
                if computed is not None:
                    computed.used.set()
            computed = None
            match answer:
                case SuggestResult():
                    self._turns.pass_on(name)
                    return answer
                case SuggestOperation():
                    return await self._store.read(functools.partial(_again, name, answer))
                case PartialResult(trials):
                    # A failure of the algorithm holds for the rest of the call.
                    before = trials
                case PointsNeeded():
                    ask = Ask(answer.study, answer.spaces, answer.count, answer.results, asked)
                    try:
                        computed = await self._schedule.points(ask)
                    except AlgorithmFailed as error:
                        failure = error
                case None:
                    failure = None
                    await self._turns.wait(name, left)
                    asked = time.monotonic()

    def _suggest(
        self, name: StudyName, this_round: SuggestRound, transaction: Transaction
    ) -> SuggestResult | SuggestOperation | PartialResult | None:
        """Return the answer, a part of it, or the stored answer to the same request.

        None if there is no trial now and the call should wait.
        """
        request = this_round.request
        study = get_study(transaction, name, lock=True)
        if request.request_id and (there := operations.find_requested(transaction, study.key, request.request_id)):
            return there
        now = self._clock()
        study = complete_if_over(transaction, study, now)
        assigned = list(this_round.before)
        if not assigned:
            if this_round.failure:
                study = _count_failure(transaction, study, this_round.failure, now)
            assigned, study = _own_trials(transaction, study, request, this_round.arrived, now)
        if study.state is StudyState.ACTIVE and len(assigned) < request.count:
            room = _at_once(study, request.count - len(assigned))
            queued, used_up = _take_queued(transaction, study, this_round, room, now)
            assigned += queued
            room -= len(queued)
            if room and not used_up:
                created = create(transaction, study, this_round, room, now)
                assigned += created.trials
                room -= len(created.trials)
                if created.over:
                    study = _state_when_over(transaction, study, request, now)
            if len(assigned) < request.count and (used_up or not room):
                return PartialResult(assigned)
        if not assigned and study.state is not StudyState.COMPLETED and not this_round.is_last:
            return None
        operation = SuggestOperation(
            operation_id=operations.new_id(now),
            client_id=request.client_id,
            trial_numbers=[trial.number for trial in assigned],
            study_state=study.state,
            create_time=now,
            request_id=request.request_id,
            suggestion_count=request.count,
        )
        operations.insert(transaction, study.key, operation)
        assigned = with_last_steps(transaction, study.key, assigned)
        operation_name = OperationName(name, operation.operation_id)
        return SuggestResult(operation_name, request.client_id, assigned, study.state, now, request.count)


def _at_once(study: Study, wanted: int) -> int:
    """Return how many of the wanted trials one transaction assigns: other writes wait for it."""
    if wanted <= VALUES_AT_ONCE // (MAX_PARAMETERS + ROW_VALUES):
        return wanted
    parameters = sum(1 for _ in study.spec.space.walk())
    return min(wanted, VALUES_AT_ONCE // (parameters + ROW_VALUES))


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


def _state_when_over(transaction: Transaction, study: Study, request: SuggestRequest, now: float) -> Study:
    """Return the study as a client without a further trial sees it: COMPLETED, unless a trial may become free.

    A client that asks for leases knows that trials may be reassigned, so it waits for those that others run.
    """
    if request.lease_seconds and leases.run_elsewhere(transaction, study, request.client_id):
        return study
    if not request.contexts and trials.any_queued(transaction, study):
        # Another transaction has locked it at this moment; the next round finds it.
        return study
    if not trials.any_unfinished(transaction, study):
        return complete_study(transaction, study, "nothing is left to try", now)
    # Trials may still run, but there is nothing else to suggest.
    return study.in_state(StudyState.COMPLETED)


def _count_failure(transaction: Transaction, study: Study, failure: AlgorithmFailed, now: float) -> Study:
    """Count a failure of the algorithm and return the study, paused after `MAX_FAILURES` in a row.

    One failed computation counts once, however many workers waited for it.
    """
    failures = study.algorithm_failures + failure.counts
    studies.set_failures(transaction, study, failures)
    happened = [Event(EventKind.SUGGESTION_FALLBACK, now, detail=shortened(str(failure)))]
    if failures >= MAX_FAILURES and study.state is StudyState.ACTIVE:
        reason = shortened(f"{study.spec.algorithm} failed {failures} times in a row; at last: {failure}")
        studies.set_state(transaction, study, StudyState.INACTIVE, reason)
        # When the study is resumed, the algorithm gets as many attempts again.
        studies.set_failures(transaction, study, 0)
        happened.append(Event(EventKind.STUDY_PAUSED, now, detail=reason))
        study = study.in_state(StudyState.INACTIVE, reason)
    events.append(transaction, study.key, happened)
    return study


def _own_trials(
    transaction: Transaction, study: Study, request: SuggestRequest, arrived: float, now: float
) -> tuple[list[Trial], Study]:
    """Return the client's unfinished trials, and the study, which their expiry may have ended.

    Trials that the client no longer runs begin a new attempt, unless they were lost too often. Trials assigned since
    the call arrived are not lost: this call may belong to a dead process, and the client may have returned.
    """
    running = request.running
    limit = request.count + len(running or ())
    own = trials.unfinished_trials(transaction, study, TrialState.ACTIVE, request.client_id, limit)
    if running is None:
        return [_assign(transaction, study, trial, request, now) for trial in own], study
    assigned: list[Trial] = []
    for trial in own:
        given_before = trial.start_time is None or trial.start_time <= arrived
        if trial.number not in running and given_before and len(assigned) < request.count:
            waiting = expire(transaction, study, trial, now, request.actor)
            study = get_study(transaction, study.name, lock=True)
            if waiting.state is TrialState.REQUESTED:
                assigned.append(_assign(transaction, study, waiting, request, now))
    return assigned, study


def _take_queued(
    transaction: Transaction, study: Study, this_round: SuggestRound, count: int, now: float
) -> tuple[list[Trial], bool]:
    """Assign queued trials in order, only those that match one of the contexts if there are any.

    Return them, and whether the computed points are used up because they filled in one of them.
    """
    if count <= 0:
        return [], False
    request = this_round.request
    limit = MAX_QUEUED_LOOKED_AT if request.contexts else count
    waiting = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", limit)
    if request.contexts:
        waiting = [trial for trial in waiting if any(agrees(trial.parameters, context) for context in request.contexts)]
    assigned: list[Trial] = []
    for trial in waiting[:count]:
        # A trial that was run before keeps its parameters.
        if trial.attempt > 0 or study.spec.space.is_whole(trial.parameters):
            assigned.append(_assign(transaction, study, trial, request, now))
            continue
        assigned.append(_assign(transaction, study, fill(transaction, study, trial, this_round, now), request, now))
        if needs_history(study):
            return assigned, True
    return assigned, False


def _assign(transaction: Transaction, study: Study, trial: Trial, request: SuggestRequest, now: float) -> Trial:
    """Assign a queued trial to the client as a new attempt, or renew the lease of its own, and return the trial."""
    step = transition(trial, Verb.ASSIGN, Facts(now=now, actor=request.actor, lease=request.lease(now)))
    return save(transaction, study.key, step) if isinstance(step, Step) else trial
