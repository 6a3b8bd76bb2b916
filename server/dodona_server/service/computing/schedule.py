"""Asks the algorithms that take their time, ahead of the workers that will ask for trials.

Of one study, one computation runs at a time; all that wait share it. What comes out is kept in the database, where
`suggestions` takes it from, and replaced when trials have finished meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import DodonaError
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.study import Study, StudyState, Version
from dodona_server.oracle import algorithm_for
from dodona_server.service.fitting import FittingFailed, FittingPool, Job
from dodona_server.storage import studies, suggestions, trials
from dodona_server.storage.store import Store, Transaction

logger = logging.getLogger("dodona")

# How long a worker waits for the algorithm before it gets a quasi-random suggestion.
DEADLINE_SECONDS = 10.0


MAX_MADE_MEANWHILE = 1000


class AlgorithmFailed(Exception):
    """The algorithm raised, died or did not answer in time.

    Args:
        reason: which of these.
        told_before: whether somebody else who waited for the same computation was told already.
    """

    def __init__(self, reason: str, *, told_before: bool) -> None:
        super().__init__(reason)
        self.told_before = told_before


@dataclass(frozen=True, slots=True)
class Computed:
    """What came of a computation.

    Args:
        version: of the study that it was made for.
        parameters: the points, if they were asked for in certain spaces; the others wait in the database.
        over: whether the search has come to its end with them.
        wait: whether more will come when trials that run have finished.
    """

    version: Version
    parameters: Sequence[Mapping[str, Value]] = ()
    over: bool = False
    wait: bool = False


class Ahead:
    """Computes suggestions in a pool of processes.

    Args:
        store: where studies and suggestions are kept.
        pool: the processes.
        deadline_seconds: how long somebody waits for a suggestion.
    """

    def __init__(self, store: Store, pool: FittingPool, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._store = store
        self._pool = pool
        self._deadline = deadline_seconds
        self._running: dict[int, asyncio.Task[Computed]] = {}
        self._again: set[int] = set()
        self._told: weakref.WeakSet[asyncio.Task[Computed]] = weakref.WeakSet()

    def close(self) -> None:
        """Ends the processes."""
        for task in self._running.values():
            task.cancel()
        self._pool.close()

    async def computed(self, study: Study, spaces: Sequence[SearchSpace], count: int) -> Computed:
        """Comes back when there are suggestions to take.

        Args:
            study: which one.
            spaces: in which to suggest, one after the other in turn; none for the study's own, whose suggestions
                wait in the database then.
            count: how many.

        Raises:
            AlgorithmFailed: there are none, and why.
        """
        task = asyncio.create_task(self._fit(study, spaces, count)) if spaces else self._shared(study, count)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._deadline)
        except TimeoutError:
            raise self._failed(task, f"{study.spec.algorithm} took more than {self._deadline:g} s") from None
        except FittingFailed as error:
            raise self._failed(task, str(error)) from error

    def _failed(self, task: asyncio.Task[Computed], reason: str) -> AlgorithmFailed:
        told_before = task in self._told
        self._told.add(task)
        return AlgorithmFailed(reason, told_before=told_before)

    def prepare(self, study: Study) -> None:
        """Begins to compute suggestions for the workers that will ask, with what is known now."""
        if study.state is not StudyState.ACTIVE or study.remaining_trials == 0 or not _takes_time(study):
            return
        if not study.spec.space.parameters:
            # There is nothing to suggest yet: whoever made the study will add parameters.
            return
        if study.key in self._running:
            self._again.add(study.key)
        else:
            self._shared(study, 1)

    def _shared(self, study: Study, count: int) -> asyncio.Task[Computed]:
        """The study's one computation: that which runs, or a new one."""
        task = self._running.get(study.key)
        if task is None:
            task = asyncio.create_task(self._compute(study, count))
            self._running[study.key] = task
            task.add_done_callback(lambda done: self._done(study, done))
        return task

    def _done(self, study: Study, task: asyncio.Task[Computed]) -> None:
        self._running.pop(study.key, None)
        if not task.cancelled() and task.exception() is not None:
            logger.warning("%s: no suggestions: %s", study.name, task.exception())
            self._again.discard(study.key)
        elif study.key in self._again:
            self._again.discard(study.key)
            self._shared(study, 1)

    async def _compute(self, study: Study, count: int) -> Computed:
        answer = await self._pool.fit(study.key, Job(study.key, count, ahead=True))

        def keep(transaction: Transaction) -> None:
            current = studies.find(transaction, study.name, lock=True)
            if current is None or current.version != answer.version:
                return
            # Those that were handed out while this was computed would be tried twice.
            made = trials.page(transaction, current, answer.next_trial_number - 1, MAX_MADE_MEANWHILE)
            known = [trial.parameters for trial in made]
            fresh = [point for point in answer.parameters if point not in known]
            suggestions.replace(transaction, study.key, fresh)
            if current.algorithm_failures:
                studies.set_failures(transaction, current, 0)

        await self._store.run(keep)
        # Those are in the database.
        return Computed(answer.version, (), answer.over, answer.wait)

    async def _fit(self, study: Study, spaces: Sequence[SearchSpace], count: int) -> Computed:
        answer = await self._pool.fit(study.key, Job(study.key, count, tuple(spaces)))
        return Computed(answer.version, answer.parameters, answer.over, answer.wait)


def _takes_time(study: Study) -> bool:
    """Whether the study's algorithm is asked in a process of its own."""
    try:
        return not algorithm_for(study.spec.algorithm).inline
    except DodonaError:
        # A study of a newer server may name an algorithm that this one does not have.
        return False
