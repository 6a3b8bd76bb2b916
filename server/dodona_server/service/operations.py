"""What calls that answer with an operation were answered with."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from dodona_server.domain.errors import NotFound
from dodona_server.domain.names import Location, OperationName, StudyName, TrialName, check_id, is_id
from dodona_server.domain.page import Page
from dodona_server.domain.study import StudyState
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.service.idempotency import Once
from dodona_server.service.studies.lookup import found
from dodona_server.storage import measurements, operations, trials
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.paging import PAGE_BYTES
from dodona_server.storage.store import Store, Transaction

# A page of operations ends behind the one with which it has so many trials.
MAX_TRIALS_LISTED = 1000
_STOP_CHECK = re.compile(r"stopcheck\.([\w.-]{1,128})\.([0-9]{1,18})\.([01])\.([0-9]{1,14})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Handout:
    """What a call to suggest is answered with.

    No trials and the state COMPLETED mean that the study has nothing left; `create_time` is in seconds since the
    epoch.
    """

    name: OperationName
    client_id: str
    trials: list[Trial]
    study_state: StudyState
    create_time: float
    suggestion_count: int


@dataclass(frozen=True, slots=True)
class StopCheck:
    """Whether a trial was to stop early when somebody asked; `time` is in milliseconds since the epoch.

    A check changes nothing, so nothing of it is kept: its operation's id says it all.
    """

    trial: TrialName
    should_stop: bool
    time: int

    @property
    def name(self) -> OperationName:
        """The operation's name."""
        study = self.trial.study
        answer = f"{self.trial.number}.{int(self.should_stop)}.{self.time}"
        return OperationName(study, f"stopcheck.{study.study_id}.{answer}")

    @classmethod
    def from_id(cls, parent: Location, operation_id: str) -> Self | None:
        """The check that an operation's id stands for; None if it is another operation's."""
        match = _STOP_CHECK.fullmatch(operation_id)
        if match is None:
            return None
        study_id, number, should_stop, time = match.groups()
        return cls(TrialName.of(StudyName(parent, study_id), number), should_stop == "1", int(time))


class OperationService:
    """Checks trials and finds earlier operations.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def check_stopping(self, name: TrialName) -> StopCheck:
        """Whether the trial should stop early.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> bool:
            trial = trials.find(transaction, found(transaction, name.study), name.number)
            if trial is None:
                raise NotFound(f"{name} does not exist")
            return trial.state is TrialState.STOPPING

        should_stop = await self._store.read(query)
        return StopCheck(name, should_stop, round(self._clock() * 1000))

    async def get(self, parent: Location, operation_id: str, *, measured: bool = True) -> Handout | StopCheck:
        """What an earlier call was answered with, its trials as they are now, without metadata.

        If they are to be `measured`, as many of the first as fit on a page have their measurements.

        Raises:
            NotFound: there is no such operation.
        """
        check = StopCheck.from_id(parent, operation_id)
        if check is not None:
            return check

        return await self._store.read(lambda transaction: _existing(transaction, parent, operation_id, measured))

    async def page(
        self, parent: Location, study_id: str | None, after: str, limit: int, *, measured: bool = True
    ) -> Page[Handout]:
        """The page of up to `limit` calls to suggest whose operation's id comes behind `after`, of one study or of all.

        Their trials are on the page too, which may so have room for few.
        """
        if study_id is not None:
            check_id(study_id, "study")

        def query(transaction: Transaction) -> Page[Handout]:
            kept = operations.page(transaction, parent.project, parent.location, study_id, after, limit + 1)
            room, bytes_left = MAX_TRIALS_LISTED, PAGE_BYTES
            listed: list[Handout] = []
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
        """Forgets an operation; its trials stay.

        Raises:
            NotFound: there is no such operation.
        """
        if StopCheck.from_id(parent, operation_id) is not None:
            return

        def use_case(transaction: Transaction) -> None:
            _existing(transaction, parent, operation_id, measured=False)
            operations.delete(transaction, operation_id)

        once = Once(request_id, f"delete {parent}/operations/{operation_id}", parent, self._clock())
        await self._store.run(once(use_case, lambda _: None))


def _existing(transaction: Transaction, parent: Location, operation_id: str, measured: bool) -> Handout:
    known = is_id(operation_id)
    there = operations.find(transaction, parent.project, parent.location, operation_id) if known else None
    if there is None:
        raise NotFound(f"{parent}/operations/{operation_id} does not exist")
    study_key, study_id, operation = there
    return _shown(transaction, StudyName(parent, study_id), study_key, operation, measured)


def _shown(
    transaction: Transaction, name: StudyName, study_key: int, operation: SuggestOperation, measured: bool
) -> Handout:
    """What the operation was answered with, its trials as they are now; see `OperationService.get`."""
    there = handout(transaction, name, study_key, operation, brief=True)
    if not measured:
        return there
    known = measurements.of_page(transaction, study_key, [trial.number for trial in there.trials])
    shown = [dataclasses.replace(trial, measurements=known.get(trial.number)) for trial in there.trials]
    return dataclasses.replace(there, trials=shown)


def handout(
    transaction: Transaction, name: StudyName, study_key: int, operation: SuggestOperation, *, brief: bool = False
) -> Handout:
    """What the operation was answered with, its trials as they are now; if it is `brief`, without their metadata."""
    return Handout(
        name=OperationName(name, operation.operation_id),
        client_id=operation.client_id,
        trials=with_last_steps(
            transaction, study_key, trials.find_numbered(transaction, study_key, operation.trial_numbers, brief=brief)
        ),
        study_state=operation.study_state,
        create_time=operation.create_time,
        suggestion_count=operation.suggestion_count,
    )


def with_last_steps(transaction: Transaction, study_key: int, handed: list[Trial]) -> list[Trial]:
    """The trials, those that were handed out before with the last step that was reported of them."""
    again = [trial.number for trial in handed if trial.attempt > 1]
    if not again:
        return handed
    steps = measurements.last_steps(transaction, study_key, again)
    return [dataclasses.replace(trial, last_step=steps.get(trial.number)) for trial in handed]
