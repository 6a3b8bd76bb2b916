"""Hands out trials: the path of a suggestion, in one transaction."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import OperationName, StudyName
from dodona_server.domain.space import SearchSpace, Value, agrees
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.trial import Lease, Trial, TrialState
from dodona_server.oracle import Problem, algorithm_for, stand_in
from dodona_server.oracle.contexts import suggest_in
from dodona_server.service.ahead import Ahead, AlgorithmFailed, Computed
from dodona_server.service.budget import complete, settle
from dodona_server.service.ending import lose
from dodona_server.service.operations import Handout, handout, with_last_steps
from dodona_server.service.studies import found
from dodona_server.storage import events, leases, operations, studies, suggestions, trials
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.store import Store, Transaction

MAX_SUGGESTIONS = 1000
MAX_CLIENT_ID_LENGTH = 256
MAX_CONTEXTS = 100
MAX_WAIT_SECONDS = 30.0
MIN_LEASE_SECONDS = 0.1
MAX_LEASE_SECONDS = 86_400.0
# How often a waiting call looks again: another server may be the one that changes what there is.
LOOK_AGAIN_SECONDS = 0.5
# Of the queued trials, how many are searched for those that fit a context.
MAX_QUEUED_LOOKED_AT = 10_000
# A study whose algorithm fails that often in a row is paused.
MAX_FAILURES = 20


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """Who asks for what.

    Args:
        client_id: a worker that comes back under its id gets its unfinished trials again.
        count: how many trials, at least 1.
        request_id: the same id again gets the same answer.
        contexts: values that the trials must have, each trial those of one context; none for any trials.
        lease_seconds: how long the client has the trials without a sign of life; None for ever.
        held: the numbers of the client's trials that it runs: others that are its own it has lost, and they count as
            such; None for a client that does not tell, which gets its own trials as they are.

    Raises:
        InvalidArgument: the client id is empty or too long, the count or the lease out of range, or there are too many
            contexts.
    """

    client_id: str
    count: int
    request_id: str | None = None
    contexts: Sequence[Mapping[str, object]] = ()
    lease_seconds: float | None = None
    held: Collection[int] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.client_id) <= MAX_CLIENT_ID_LENGTH:
            raise InvalidArgument(f"{self.client_id!r} is not 1 to {MAX_CLIENT_ID_LENGTH} characters long", "clientId")
        if not 1 <= self.count <= MAX_SUGGESTIONS:
            raise InvalidArgument(f"{self.count} is not from 1 to {MAX_SUGGESTIONS}", "suggestionCount")
        if len(self.contexts) > MAX_CONTEXTS:
            raise InvalidArgument(f"{len(self.contexts)} contexts; {MAX_CONTEXTS} are allowed", "contexts")
        lease = self.lease_seconds
        if lease is not None and not MIN_LEASE_SECONDS <= lease <= MAX_LEASE_SECONDS:
            allowed = f"{MIN_LEASE_SECONDS:g} to {MAX_LEASE_SECONDS:.0f} seconds"
            raise InvalidArgument(f"{lease!r} is not from {allowed}", "leaseDuration")


class _Missing(Exception):
    """The algorithm has to be asked before the call can be answered; what the transaction did is undone."""

    def __init__(self, study: Study, spaces: Sequence[SearchSpace], count: int) -> None:
        super().__init__(study, spaces, count)
        self.study = study
        self.spaces = spaces
        self.count = count


class SuggestionService:
    """Hands out trials and remembers to whom.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        stopping: set when the server is to stop; a call that waits is then answered.
        ahead: asks the algorithms that take their time.
    """

    def __init__(self, store: Store, clock: Callable[[], float], stopping: threading.Event, ahead: Ahead) -> None:
        self._store = store
        self._clock = clock
        self._stopping = stopping
        self._ahead = ahead

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
        deadline = arrived + wait_seconds
        computed: Computed | None = None
        failure: AlgorithmFailed | None = None
        while True:
            left = deadline - self._clock()
            last_look = left <= 0 or self._stopping.is_set()
            look = functools.partial(self._suggest, name, request, arrived, computed, failure, last_look)
            computed, failure = None, None
            try:
                handed = await self._store.run(look, name)
            except _Missing as missing:
                try:
                    computed = await self._ahead.computed(missing.study, missing.spaces, missing.count)
                except AlgorithmFailed as error:
                    failure = error
            else:
                if handed is not None:
                    return handed
                await asyncio.sleep(min(left, LOOK_AGAIN_SECONDS))

    def _suggest(
        self,
        name: StudyName,
        request: SuggestRequest,
        arrived: float,
        computed: Computed | None,
        failure: AlgorithmFailed | None,
        last_look: bool,
        transaction: Transaction,
    ) -> Handout | None:
        """The answer; None, if there is no trial now and that is not worth an answer yet."""
        study = found(transaction, name, lock=True)
        if request.request_id and (there := operations.find_requested(transaction, study.key, request.request_id)):
            return _again(handout(transaction, name, study.key, there), study)
        now = self._clock()
        study = settle(transaction, study, now)
        if failure:
            study = _count_failure(transaction, study, failure, now)
        handed, study = _own(transaction, study, request, arrived, now)
        if study.state is StudyState.ACTIVE and len(handed) < request.count:
            handed += _queued(transaction, study, request, request.count - len(handed), now)
            missing = request.count - len(handed)
            created = _create(transaction, study, request, missing, computed, failure is not None, now)
            handed += created.trials
            if created.over:
                study = _over(transaction, study, request, now)
        if not handed and study.state is not StudyState.COMPLETED and not last_look:
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


def _again(before: Handout, study: Study) -> Handout:
    """The answer to a call that is sent again: of what it handed out, that which nobody was given since."""
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
    failures = study.algorithm_failures + (not failure.told_before)
    studies.set_failures(transaction, study, failures)
    happened = [Event(EventKind.SUGGESTION_FALLBACK, now, detail=str(failure))]
    if failures >= MAX_FAILURES and study.state is StudyState.ACTIVE:
        reason = f"{study.spec.algorithm} failed {failures} times in a row; at last: {failure}"
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
    renewed = dataclasses.replace(trial, lease=_lease(request, now))
    leases.assign(transaction, study, renewed)
    return renewed


def _lease(request: SuggestRequest, now: float) -> Lease | None:
    """The lease that the client asks for; what it says of the time is the server's word, the database's counts."""
    seconds = request.lease_seconds
    return None if seconds is None else Lease(seconds, now + seconds, seconds)


def _queued(transaction: Transaction, study: Study, request: SuggestRequest, count: int, now: float) -> list[Trial]:
    """Queued trials in order, now the client's; those only that fit one of the contexts if there are any."""
    if count <= 0:
        return []
    limit = MAX_QUEUED_LOOKED_AT if request.contexts else count
    waiting = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", limit)
    if request.contexts:
        waiting = [trial for trial in waiting if any(agrees(trial.parameters, context) for context in request.contexts)]
    return [_assigned(transaction, study, trial, request, now) for trial in waiting[:count]]


def _assigned(transaction: Transaction, study: Study, trial: Trial, request: SuggestRequest, now: float) -> Trial:
    """A queued trial as the client's next attempt."""
    assigned = dataclasses.replace(
        trial,
        state=TrialState.ACTIVE,
        client_id=request.client_id,
        start_time=now,
        attempt=trial.attempt + 1,
        lost_client_id="",
        lease=_lease(request, now),
    )
    leases.assign(transaction, study, assigned)
    events.append(transaction, study.key, [Event(EventKind.TRIAL_ACTIVE, now, trial.number, request.client_id)])
    return assigned


@dataclass(frozen=True, slots=True)
class _Created:
    """New trials, and whether the search is over with them."""

    trials: list[Trial]
    over: bool


def _create(
    transaction: Transaction,
    study: Study,
    request: SuggestRequest,
    count: int,
    computed: Computed | None,
    failed: bool,
    now: float,
) -> _Created:
    """New trials for the client, `count` of them unless the budget or the search has come to its end."""
    allowed = count if study.remaining_trials is None else min(count, study.remaining_trials)
    if allowed == 0:
        return _Created([], over=count > 0)
    if computed is not None and computed.version != study.version:
        computed = None
    with inside("contexts"):
        spaces = [study.spec.space.restrict(context) for context in request.contexts]
    algorithm = stand_in(study.spec.algorithm) if failed else algorithm_for(study.spec.algorithm)
    if algorithm is None:
        return _Created([], over=False)
    points: list[Mapping[str, Value]] = []
    over = False
    if not study.spec.space.parameters:
        # It is to grow: nothing is known yet of what could be exhausted.
        points = [{} for _ in range(allowed)]
    elif algorithm.inline:
        problem = Problem(study.spec, study.position, seed=study.seed)
        points += suggest_in(spaces, algorithm, problem, (), (), allowed, study.rng).parameters
        over = len(points) < allowed
    else:
        if spaces:
            points = list(computed.parameters[:allowed]) if computed else []
        else:
            points += suggestions.take(transaction, study.key, allowed)
        if len(points) < allowed:
            if computed is None or not (computed.over or computed.wait):
                raise _Missing(study, spaces, allowed)
            over = computed.over
    over = over or allowed < count
    if not points:
        return _Created([], over)
    first = study.next_trial_number
    created = [
        Trial(
            number=first + index,
            state=TrialState.ACTIVE,
            parameters=parameters,
            client_id=request.client_id,
            attempt=1,
            create_time=now,
            start_time=now,
            lease=_lease(request, now),
        )
        for index, parameters in enumerate(points)
    ]
    trials.insert(transaction, study, created, lease_seconds=request.lease_seconds)
    studies.add_trials(transaction, study, len(created), suggested=len(created))
    events.append(
        transaction,
        study.key,
        [Event(EventKind.TRIAL_ACTIVE, now, trial.number, trial.client_id) for trial in created],
    )
    return _Created(created, over)
