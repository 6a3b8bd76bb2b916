"""Hands out trials: the path of a suggestion, in one transaction."""

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
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.service.budget import complete, settle
from dodona_server.service.computing.asks import AlgorithmFailed, Ask, Computed
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.operations import Handout, handout, with_last_steps
from dodona_server.service.studies.lookup import found
from dodona_server.service.suggestions.new_trials import Look, Missing, create, fill
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.turns import Turns
from dodona_server.service.trials.ending import lose
from dodona_server.storage import events, leases, operations, studies, trials
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.store import Store, Transaction

MAX_WAIT_SECONDS = 30.0
# Of new trials in one transaction: so many take less than a tenth of a second, which other writes wait for.
VALUES_AT_ONCE = 20_000
# What a trial costs beside its values, in values.
ROW_VALUES = 10
# Of the queued trials, how many are searched for those that fit a context.
MAX_QUEUED_LOOKED_AT = 10_000
# A study whose algorithm fails that often in a row is paused.
MAX_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Part:
    """The trials of a call that is to have more of them."""

    trials: Sequence[Trial]


class SuggestionService:
    """Hands out trials and remembers to whom.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        stopping: set when the server is to stop; a call that waits is then answered.
        schedule: asks the algorithms that take their time.
    """

    def __init__(self, store: Store, clock: Callable[[], float], stopping: threading.Event, schedule: Schedule) -> None:
        self._store = store
        self._clock = clock
        self._stopping = stopping
        self._schedule = schedule
        self._turns = Turns(stopping)

    async def suggest(self, name: StudyName, request: SuggestRequest, wait_seconds: float = 0.0) -> Handout:
        """Up to `request.count` trials to run: the client's own first, then queued ones in order, then new ones.

        Args:
            name: the study.
            request: who asks for what.
            wait_seconds: how long to wait for a trial while there is none but may be one later.

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
            look = Look(request, arrived, now - asked, computed, failure, is_last, before)
            answer: Handout | SuggestOperation | Part | Missing | None
            try:
                answer = await self._store.run(functools.partial(self._suggest, name, look), name)
            except Missing as missing:
                answer = missing
            finally:
                if computed is not None:
                    computed.used.set()
            computed = None
            match answer:
                case Handout():
                    self._turns.pass_on(name)
                    return answer
                case SuggestOperation():
                    return await self._store.read(functools.partial(_again, name, answer))
                case Part(trials):
                    # An algorithm that has failed stays so for the rest of the call.
                    before = trials
                case Missing():
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
        self, name: StudyName, look: Look, transaction: Transaction
    ) -> Handout | SuggestOperation | Part | None:
        """The answer, or a part of it, or what answered the same request before.

        None, if there is no trial now and that is not worth an answer yet.
        """
        request = look.request
        study = found(transaction, name, lock=True)
        if request.request_id and (there := operations.find_requested(transaction, study.key, request.request_id)):
            return there
        now = self._clock()
        study = settle(transaction, study, now)
        handed = list(look.before)
        if not handed:
            if look.failure:
                study = _count_failure(transaction, study, look.failure, now)
            handed, study = _own(transaction, study, request, look.arrived, now)
        if study.state is StudyState.ACTIVE and len(handed) < request.count:
            room = _at_once(study, request.count - len(handed))
            queued, used_up = _queued(transaction, study, look, room, now)
            handed += queued
            room -= len(queued)
            if room and not used_up:
                created = create(transaction, study, look, room, now)
                handed += created.trials
                room -= len(created.trials)
                if created.over:
                    study = _over(transaction, study, request, now)
            if len(handed) < request.count and (used_up or not room):
                return Part(handed)
        if not handed and study.state is not StudyState.COMPLETED and not look.is_last:
            return None
        operation = SuggestOperation(
            operation_id=operations.new_id(now),
            client_id=request.client_id,
            trial_numbers=[trial.number for trial in handed],
            study_state=study.state,
            create_time=now,
            request_id=request.request_id,
            suggestion_count=request.count,
        )
        operations.insert(transaction, study.key, operation)
        handed = with_last_steps(transaction, study.key, handed)
        operation_name = OperationName(name, operation.operation_id)
        return Handout(operation_name, request.client_id, handed, study.state, now, request.count)


def _at_once(study: Study, wanted: int) -> int:
    """How many of the trials that are wanted one transaction hands out: others that write wait meanwhile."""
    if wanted <= VALUES_AT_ONCE // (MAX_PARAMETERS + ROW_VALUES):
        return wanted
    parameters = sum(1 for _ in study.spec.space.walk())
    return min(wanted, VALUES_AT_ONCE // (parameters + ROW_VALUES))


def _again(name: StudyName, operation: SuggestOperation, transaction: Transaction) -> Handout:
    """The answer to a call that is sent again: of what it handed out, that which nobody was given since."""
    study = found(transaction, name)
    before = handout(transaction, name, study.key, operation)
    still = [
        trial
        for trial in before.trials
        if trial.client_id == before.client_id and (trial.start_time or 0.0) <= before.create_time
    ]
    if len(still) == len(before.trials):
        return before
    return dataclasses.replace(before, trials=still, study_state=study.state)


def _over(transaction: Transaction, study: Study, request: SuggestRequest, now: float) -> Study:
    """The study as it is told to a client for whom there is no further trial: COMPLETED, unless one may come back.

    A client that asks for leases knows that trials come back, and waits for those that others run.
    """
    if request.lease_seconds and leases.run_elsewhere(transaction, study, request.client_id):
        return study
    if not request.contexts and trials.any_queued(transaction, study):
        # Somebody else speaks of it at this moment; it is there at the next look.
        return study
    if not trials.any_unfinished(transaction, study):
        return complete(transaction, study, "nothing is left to try", now)
    # Trials may still run, but nothing is left beyond those handed out.
    return dataclasses.replace(study, state=StudyState.COMPLETED)


def _count_failure(transaction: Transaction, study: Study, failure: AlgorithmFailed, now: float) -> Study:
    """The study after its algorithm has failed, paused if that happens again and again.

    However many workers waited for what failed, that was one failure.
    """
    failures = study.algorithm_failures + failure.counts
    studies.set_failures(transaction, study, failures)
    happened = [Event(EventKind.SUGGESTION_FALLBACK, now, detail=shortened(str(failure)))]
    if failures >= MAX_FAILURES and study.state is StudyState.ACTIVE:
        reason = shortened(f"{study.spec.algorithm} failed {failures} times in a row; at last: {failure}")
        studies.set_state(transaction, study, StudyState.INACTIVE, reason)
        # Who resumes it gives the algorithm as many tries again.
        studies.set_failures(transaction, study, 0)
        happened.append(Event(EventKind.STUDY_PAUSED, now, detail=reason))
        study = dataclasses.replace(study, state=StudyState.INACTIVE, inactive_reason=reason)
    events.append(transaction, study.key, happened)
    return study


def _own(
    transaction: Transaction, study: Study, request: SuggestRequest, arrived: float, now: float
) -> tuple[list[Trial], Study]:
    """The client's own trials; those that it has lost as new attempts, unless they were lost too often.

    And the study, which they may have ended. What the client was given since the call arrived is not lost: the call may
    be one that waits though its process is dead, and the client has come back.
    """
    held = request.held
    limit = request.count + len(held or ())
    own = trials.unfinished_trials(transaction, study, TrialState.ACTIVE, request.client_id, limit)
    if held is None:
        return [_leased(transaction, study, trial, request, now) for trial in own], study
    handed: list[Trial] = []
    for trial in own:
        given_before = trial.start_time is None or trial.start_time <= arrived
        if trial.number not in held and given_before and len(handed) < request.count:
            waiting = lose(transaction, study, trial, now)
            study = found(transaction, study.name, lock=True)
            if waiting.state is TrialState.REQUESTED:
                handed.append(_assigned(transaction, study, waiting, request, now))
    return handed, study


def _leased(transaction: Transaction, study: Study, trial: Trial, request: SuggestRequest, now: float) -> Trial:
    """The trial, its lease begun anew if the client asks for one."""
    if request.lease_seconds is None:
        return trial
    renewed = dataclasses.replace(trial, lease=request.lease(now))
    leases.assign(transaction, study, renewed)
    return renewed


def _queued(transaction: Transaction, study: Study, look: Look, count: int, now: float) -> tuple[list[Trial], bool]:
    """Queued trials in order, now the client's; those only that fit one of the contexts if there are any.

    And whether what was computed is used up: it has filled in one of them.
    """
    if count <= 0:
        return [], False
    request = look.request
    limit = MAX_QUEUED_LOOKED_AT if request.contexts else count
    waiting = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", limit)
    if request.contexts:
        waiting = [trial for trial in waiting if any(agrees(trial.parameters, context) for context in request.contexts)]
    handed: list[Trial] = []
    for trial in waiting[:count]:
        # One that was run before is run again as it was.
        if trial.attempt > 0 or study.spec.space.is_whole(trial.parameters):
            handed.append(_assigned(transaction, study, trial, request, now))
            continue
        handed.append(_assigned(transaction, study, fill(transaction, study, trial, look, now), request, now))
        if needs_history(study):
            return handed, True
    return handed, False


def _assigned(transaction: Transaction, study: Study, trial: Trial, request: SuggestRequest, now: float) -> Trial:
    """A queued trial as the client's next attempt."""
    assigned = dataclasses.replace(
        trial,
        state=TrialState.ACTIVE,
        client_id=request.client_id,
        start_time=now,
        attempt=trial.attempt + 1,
        lost_client_id="",
        lease=request.lease(now),
    )
    leases.assign(transaction, study, assigned)
    events.append(transaction, study.key, [Event(EventKind.TRIAL_ACTIVE, now, trial.number, request.client_id)])
    return assigned
