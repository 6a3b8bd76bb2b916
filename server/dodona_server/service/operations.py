"""Operations: the stored answers to calls that return one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from dodona_server.domain.errors import NotFound
from dodona_server.domain.names import Location, OperationName, StudyName, TrialName, check_id, is_id
from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.service.idempotency import IdempotentCall
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage import operations
from dodona_server.storage.engine.paging import PAGE_BYTES
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.trials import measurements, trials

# A page of operations ends when it contains this many trials.
MAX_TRIALS_LISTED = 1000
_STOP_CHECK = re.compile(r"stopcheck\.([\w.-]{1,128})\.([0-9]{1,18})\.([01])\.([0-9]{1,14})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SuggestResult:
    """Answer to a call that asks for trials.

    No trials and the state COMPLETED mean that the study has nothing left to suggest, or that the worker is asked to
    stop, as `worker_stopped` says. `create_time` is in seconds since the epoch.
    """

    name: OperationName
    client_id: str
    trials: list[Trial]
    study_state: StudyState
    create_time: float
    suggestion_count: int
    worker_stopped: bool = False


@dataclass(frozen=True, slots=True)
class StopCheck:
    """Decision on whether a trial should stop early, at the time `time`, in milliseconds since the epoch.

    A check changes nothing, so nothing is stored: the operation's id contains the answer.
    """

    trial: TrialName
    should_stop: bool
    time: int

    @property
    def name(self) -> OperationName:
        """Name of the operation."""
        study = self.trial.study
        answer = f"{self.trial.number}.{int(self.should_stop)}.{self.time}"
        return OperationName(study, f"stopcheck.{study.study_id}.{answer}")

    @classmethod
    def from_id(cls, parent: Location, operation_id: str) -> Self | None:
        """Return the check that an operation's id contains; None if it is another operation's."""
        match = _STOP_CHECK.fullmatch(operation_id)
        if match is None:
            return None
        study_id, number, should_stop, time = match.groups()
        return cls(TrialName.of(StudyName(parent, study_id), number), should_stop == "1", int(time))


class OperationService:
    """Checks whether trials should stop, and finds earlier operations.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def check_stopping(self, name: TrialName) -> StopCheck:
        """Return whether the trial should stop early.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> bool:
            trial = trials.find(transaction, get_study(transaction, name.study), name.number)
            if trial is None:
                raise NotFound(f"{name} does not exist")
            return trial.state is TrialState.STOPPING

        should_stop = await self._store.read(query)
        return StopCheck(name, should_stop, round(self._clock() * 1000))

    async def get(self, parent: Location, operation_id: str, *, measured: bool = True) -> SuggestResult | StopCheck:
        """Return the answer to an earlier call, with its trials as they are now, without metadata.

        If `measured`, as many of the first trials as fit on a page come with their measurements.

        Raises:
            NotFound: there is no such operation.
        """
        check = StopCheck.from_id(parent, operation_id)
        if check is not None:
            return check

        return await self._store.read(lambda transaction: _existing(transaction, parent, operation_id, measured))

    async def page(
        self, parent: Location, study_id: str | None, after: str, limit: int, *, measured: bool = True
    ) -> Page[SuggestResult]:
        """Return up to `limit` calls for trials with operation ids behind `after`, of one study or of all.

        Their trials are on the page too, so it may have room for few calls.
        """
        if study_id is not None:
            check_id(study_id, "study")

        def query(transaction: Transaction) -> Page[SuggestResult]:
            kept = operations.page(transaction, parent.project, parent.location, study_id, after, limit + 1)
            room, bytes_left = MAX_TRIALS_LISTED, PAGE_BYTES
            listed: list[SuggestResult] = []
            for key, study, operation in kept[:limit]:
                room -= len(operation.trial_numbers)
                if measured:
                    bytes_left -= measurements.size(transaction, key, operation.trial_numbers)
                if listed and min(room, bytes_left) < 0:
                    break
                listed.append(_shown(transaction, StudyName(parent, study), key, operation, measured))
            return Page(listed, len(kept) > len(listed))

        return await self._store.read(query)

    async def delete(self, parent: Location, operation_id: str, request_id: str | None = None) -> None:
        """Delete an operation; its trials stay.

        Raises:
            NotFound: there is no such operation.
        """
        if StopCheck.from_id(parent, operation_id) is not None:
            return

        def use_case(transaction: Transaction) -> None:
            _existing(transaction, parent, operation_id, measured=False)
            operations.delete(transaction, operation_id)

        once = IdempotentCall(request_id, f"delete {parent}/operations/{operation_id}", parent, self._clock())
        await self._store.run(once(use_case, lambda _: None))


def _existing(transaction: Transaction, parent: Location, operation_id: str, measured: bool) -> SuggestResult:
    known = is_id(operation_id)
    there = operations.find(transaction, parent.project, parent.location, operation_id) if known else None
    if there is None:
        raise NotFound(f"{parent}/operations/{operation_id} does not exist")
    study_key, study_id, operation = there
    return _shown(transaction, StudyName(parent, study_id), study_key, operation, measured)


def _shown(
    transaction: Transaction, name: StudyName, study_key: int, operation: SuggestOperation, measured: bool
) -> SuggestResult:
    """Return the answer to the operation's call; see `OperationService.get`."""
    there = suggest_result(transaction, name, study_key, operation, brief=True)
    if not measured:
        return there
    known = measurements.of_page(transaction, study_key, [trial.number for trial in there.trials])
    shown = [dataclasses.replace(trial, measurements=known.get(trial.number)) for trial in there.trials]
    return dataclasses.replace(there, trials=shown)


def suggest_result(
    transaction: Transaction, name: StudyName, study_key: int, operation: SuggestOperation, *, brief: bool = False
) -> SuggestResult:
    """Return the answer to the operation's call, with its trials as they are now; without metadata if `brief`."""
    return SuggestResult(
        name=OperationName(name, operation.operation_id),
        client_id=operation.client_id,
        trials=with_last_steps(
            transaction, study_key, trials.find_numbered(transaction, study_key, operation.trial_numbers, brief=brief)
        ),
        study_state=operation.study_state,
        create_time=operation.create_time,
        suggestion_count=operation.suggestion_count,
    )


def with_last_steps(transaction: Transaction, study_key: int, assigned: list[Trial]) -> list[Trial]:
    """Return the trials; those with earlier attempts come with the last step that these reported."""
    again = [trial.number for trial in assigned if trial.attempt > 1]
    if not again:
        return assigned
    steps = measurements.last_steps(transaction, study_key, again)
    return [dataclasses.replace(trial, last_step=steps.get(trial.number)) for trial in assigned]
