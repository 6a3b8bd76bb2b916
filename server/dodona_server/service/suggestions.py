"""Hands out trials: the path of a suggestion, in one transaction."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import OperationName, StudyName
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.oracle import Problem, algorithm_for
from dodona_server.service.budget import complete_if_done
from dodona_server.service.operations import Handout, handout
from dodona_server.service.studies import found
from dodona_server.storage import events, operations, studies, trials
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.store import Store, Transaction

MAX_SUGGESTIONS = 1000
MAX_CLIENT_ID_LENGTH = 256
MAX_CONTEXTS = 100
MAX_WAIT_SECONDS = 30.0
# How often a waiting call looks again: another server may be the one that changes what there is.
LOOK_AGAIN_SECONDS = 0.5
# Of the queued trials, how many are searched for those that fit a context.
MAX_QUEUED_LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """Who asks for what.

    Args:
        client_id: a worker that comes back under its id gets its unfinished trials again.
        count: how many trials, at least 1.
        request_id: the same id again gets the same answer.
        contexts: values that the trials must have, each trial those of one context; none for any trials.

    Raises:
        InvalidArgument: the client id is empty or too long, the count out of range, or there are too many contexts.
    """

    client_id: str
    count: int
    request_id: str | None = None
    contexts: Sequence[Mapping[str, object]] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.client_id) <= MAX_CLIENT_ID_LENGTH:
            raise InvalidArgument(f"{self.client_id!r} is not 1 to {MAX_CLIENT_ID_LENGTH} characters long", "clientId")
        if not 1 <= self.count <= MAX_SUGGESTIONS:
            raise InvalidArgument(f"{self.count} is not from 1 to {MAX_SUGGESTIONS}", "suggestionCount")
        if len(self.contexts) > MAX_CONTEXTS:
            raise InvalidArgument(f"{len(self.contexts)} contexts; {MAX_CONTEXTS} are allowed", "contexts")


class SuggestionService:
    """Hands out trials and remembers to whom.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        stopping: set when the server is to stop; a call that waits is then answered.
    """

    def __init__(self, store: Store, clock: Callable[[], float], stopping: threading.Event) -> None:
        self._store = store
        self._clock = clock
        self._stopping = stopping

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
        deadline = self._clock() + wait_seconds
        while True:
            left = deadline - self._clock()
            attempt = functools.partial(
                self._suggest, name=name, request=request, last_look=left <= 0 or self._stopping.is_set()
            )
            handed = await self._store.run(attempt)
            if handed is not None:
                return handed
            await asyncio.sleep(min(left, LOOK_AGAIN_SECONDS))

    def _suggest(
        self, transaction: Transaction, name: StudyName, request: SuggestRequest, *, last_look: bool
    ) -> Handout | None:
        """The answer; None, if there is no trial now and that is not worth an answer yet."""
        study = found(transaction, name, lock=True)
        if request.request_id and (there := operations.find_requested(transaction, study.key, request.request_id)):
            return handout(transaction, name, study.key, there)
        now = self._clock()
        handed = _hand_out(transaction, study, request, now)
        state = study.state
        if len(handed) < request.count and study.state is StudyState.ACTIVE:
            complete_if_done(transaction, name, now)
            # Trials may still run, but nothing is left beyond those handed out.
            state = StudyState.COMPLETED
        if not handed and state is not StudyState.COMPLETED and not last_look:
            return None
        operation = SuggestOperation(
            operation_id=uuid.uuid4().hex,
            client_id=request.client_id,
            trial_numbers=[trial.number for trial in handed],
            study_state=state,
            create_time=now,
            request_id=request.request_id,
        )
        operations.insert(transaction, study.key, operation)
        return Handout(OperationName(name, operation.operation_id), request.client_id, handed, state, now)


def _hand_out(transaction: Transaction, study: Study, request: SuggestRequest, now: float) -> list[Trial]:
    client_id, count = request.client_id, request.count
    own = trials.unfinished_trials(transaction, study, TrialState.ACTIVE, client_id, count)
    if study.state is not StudyState.ACTIVE:
        return own
    with inside("contexts"):
        spaces = [study.spec.space.restrict(context) for context in request.contexts] or [study.spec.space]
    started: list[Trial] = []
    if len(own) < count:
        for trial in _queued(transaction, study, request, count - len(own)):
            trials.assign(transaction, study, trial.number, client_id, now)
            started.append(dataclasses.replace(trial, state=TrialState.ACTIVE, client_id=client_id, start_time=now))
    missing = count - len(own) - len(started)
    if missing:
        started += _create(transaction, study, spaces, client_id, missing, now)
    if started:
        happened = [Event(EventKind.TRIAL_ACTIVE, now, trial.number, client_id) for trial in started]
        events.append(transaction, study.key, happened)
    return own + started


def _queued(transaction: Transaction, study: Study, request: SuggestRequest, count: int) -> list[Trial]:
    """Queued trials in order, those only that fit one of the contexts if there are any."""
    if not request.contexts:
        return trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", count)
    waiting = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", MAX_QUEUED_LOOKED_AT)
    return [
        trial for trial in waiting if any(context.items() <= trial.parameters.items() for context in request.contexts)
    ][:count]


def _create(
    transaction: Transaction, study: Study, spaces: Sequence[SearchSpace], client_id: str, count: int, now: float
) -> list[Trial]:
    """New trials for the client, as many of `count` as the budget allows, one of each space in turn."""
    if study.remaining_trials is not None:
        count = min(count, study.remaining_trials)
    if count == 0:
        return []
    first = study.next_trial_number
    # From the seed and the number alone, so that any server makes the same suggestion of the same history.
    rng = random.Random(f"{study.seed}/{first}")  # noqa: S311 - a search needs no secrets
    algorithm = algorithm_for(study.spec.algorithm)
    suggested: list[Mapping[str, Value]] = []
    for index, space in enumerate(spaces[:count]):
        spec = study.spec if space is study.spec.space else dataclasses.replace(study.spec, space=space)
        suggested += algorithm.suggest(Problem(spec), (), (), len(range(index, count, len(spaces))), rng).parameters
    created = [
        Trial(
            number=first + index,
            state=TrialState.ACTIVE,
            parameters=parameters,
            client_id=client_id,
            create_time=now,
            start_time=now,
        )
        for index, parameters in enumerate(suggested)
    ]
    trials.insert(transaction, study, created)
    studies.add_trials(transaction, study, len(created))
    return created
