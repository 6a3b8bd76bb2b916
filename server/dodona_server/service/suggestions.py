"""Hands out trials: the path of a suggestion, in one transaction."""

from __future__ import annotations

import dataclasses
import random
import uuid
from collections.abc import Callable

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import OperationName, StudyName
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.oracle import algorithm_for
from dodona_server.service.budget import complete_if_done
from dodona_server.service.operations import Handout, handout
from dodona_server.service.studies import found
from dodona_server.storage import operations, studies, trials
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.store import Store, Transaction

MAX_SUGGESTIONS = 1000
MAX_CLIENT_ID_LENGTH = 256


class SuggestionService:
    """Hands out trials and remembers to whom.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def suggest(self, name: StudyName, client_id: str, count: int, request_id: str | None) -> Handout:
        """Up to `count` trials to run: the client's own first, then queued ones in order, then new ones.

        Args:
            name: the study.
            client_id: who asks; a worker that comes back under its id gets its unfinished trials again.
            count: how many, at least 1.
            request_id: the same id again gets the same answer.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the client id is empty or too long, or the count out of range.
        """
        if not client_id or len(client_id) > MAX_CLIENT_ID_LENGTH:
            raise InvalidArgument(f"{client_id!r} is not 1 to {MAX_CLIENT_ID_LENGTH} characters long", "clientId")
        if not 1 <= count <= MAX_SUGGESTIONS:
            raise InvalidArgument(f"{count} is not from 1 to {MAX_SUGGESTIONS}", "suggestionCount")

        def use_case(transaction: Transaction) -> Handout:
            study = found(transaction, name, lock=True)
            if request_id and (there := operations.find_requested(transaction, study.key, request_id)):
                return handout(transaction, name, study.key, there)
            now = self._clock()
            handed = _hand_out(transaction, study, client_id, count, now)
            state = study.state
            if len(handed) < count and study.state is StudyState.ACTIVE:
                complete_if_done(transaction, name)
                # Trials may still run, but nothing is left beyond those handed out.
                state = StudyState.COMPLETED
            numbers = [trial.number for trial in handed]
            operation = SuggestOperation(uuid.uuid4().hex, client_id, numbers, state, now, request_id)
            operations.insert(transaction, study.key, operation)
            return Handout(OperationName(name, operation.operation_id), client_id, handed, state, now)

        return await self._store.run(use_case)


def _hand_out(transaction: Transaction, study: Study, client_id: str, count: int, now: float) -> list[Trial]:
    handed = trials.unfinished_trials(transaction, study, TrialState.ACTIVE, client_id, count)
    if len(handed) < count:
        queued = trials.unfinished_trials(
            transaction, study, TrialState.REQUESTED, client_id="", limit=count - len(handed)
        )
        for trial in queued:
            trials.assign(transaction, study, trial.number, client_id, now)
            handed.append(dataclasses.replace(trial, state=TrialState.ACTIVE, client_id=client_id, start_time=now))
    if len(handed) < count and study.state is StudyState.ACTIVE:
        handed += _create(transaction, study, client_id, count - len(handed), now)
    return handed


def _create(transaction: Transaction, study: Study, client_id: str, count: int, now: float) -> list[Trial]:
    """New trials for the client, as many of `count` as the budget allows; the study must be held."""
    if study.remaining_trials is not None:
        count = min(count, study.remaining_trials)
    if count == 0:
        return []
    first = study.next_trial_number
    # From the seed and the number alone, so that any server makes the same suggestion of the same history.
    rng = random.Random(f"{study.seed}/{first}")  # noqa: S311 - a search needs no secrets
    suggested = algorithm_for(study.spec.algorithm).suggest(study.spec, count, rng)
    created = [
        Trial(
            number=first + index,
            state=TrialState.ACTIVE,
            parameters=parameters,
            client_id=client_id,
            create_time=now,
            start_time=now,
        )
        for index, parameters in enumerate(suggested.parameters)
    ]
    trials.insert(transaction, study, created)
    studies.add_trials(transaction, study, len(created))
    return created
