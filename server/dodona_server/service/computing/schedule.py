"""Decide which computations run, and which points each call gets.

    fresh   knows every result that was acknowledged before the call arrived
    ahead   was computed before the call arrived, and may lack the latest results

The rule: a call waits for a fresh point for up to `PATIENCE_SHARE` of the study's median trial, at least
`LEAST_PATIENCE_SECONDS`. Then it gets the first point that is ready, and after the deadline a quasi-random one.

A computation begins with each new result, since a worker that reported one asks next, and with each call that finds no
fresh point. One runs at a time. Calls that wait together share the next one, which chooses their points jointly. If the
algorithm chooses `one_by_one`, each point is given to its call at once. A computation that takes longer than a call
waits also makes points for calls that will come meanwhile, with all running trials pending; the next one begins as soon
as a result arrives.

A crash loses nothing but time: points become trials in the caller's transaction, which checks that they were computed
from the study's present state. Of several servers the one that commits first wins; the others compute their points
again, with its trials pending.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import DodonaError
from dodona_server.domain.studies.study import Study, StudyState
from dodona_server.service.computing.asks import Ask, Computed
from dodona_server.service.computing.computations import Computations, Shares
from dodona_server.service.computing.curve_models import CurveModels
from dodona_server.service.computing.pool import Answer, FittingPool, Job

# A call that waits longer than this for the algorithm gets a quasi-random suggestion.
DEADLINE_SECONDS = 10.0
# The number of studies whose computations are kept.
MOST_STUDIES = 1000


@dataclass(frozen=True, slots=True)
class Load:
    """Queue of suggestions of a process.

    Args:
        waiting: the calls that wait for points.
        computing: the studies for which points are computed.
        longest_seconds: the longest of the latest computations.
    """

    waiting: int
    computing: int
    longest_seconds: float


class Schedule:
    """Computes suggestions in a pool of processes.

    Args:
        pool: the processes.
        deadline_seconds: the longest wait of a call for its points.
    """

    def __init__(self, pool: FittingPool, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self.models = CurveModels(pool)
        self._pool = pool
        self._deadline = deadline_seconds
        self._studies: dict[int, Computations] = {}

    def close(self) -> None:
        """Stop the computations and the processes."""
        self.models.close()
        for of_study in self._studies.values():
            for task in (of_study.serving, of_study.computing_ahead):
                if task is not None:
                    task.cancel()
        self._pool.close()

    @property
    def load(self) -> Load:
        """Queue of suggestions at this moment."""
        known = self._studies.values()
        computing = [one for one in known if (one.serving or one.computing_ahead) is not None]
        return Load(
            sum(len(one.waiting) for one in known), len(computing), max((one.seconds for one in known), default=0.0)
        )

    async def points(self, ask: Ask) -> Computed:
        """Return the points for a call. The caller sets their `used` when they are trials or not needed.

        Raises:
            AlgorithmFailed: there are none; the message says why.
        """
        of_study = self._of(ask.study)
        of_study.waiting.append(ask)
        self._arrange(ask.study, of_study)
        left = ask.asked + self._deadline - time.monotonic()
        try:
            return await asyncio.wait_for(asyncio.shield(ask.points), max(left, 0.0))
        except BaseException as error:
            if ask in of_study.waiting:
                of_study.waiting.remove(ask)
            ask.give_up()
            if isinstance(error, TimeoutError):
                raise of_study.too_late(ask.study, self._deadline) from None
            raise

    def prepare(self, study: Study) -> None:
        """Compute the first suggestion of a new study, so that processes are ready when workers ask."""
        of_study = self._of(study)
        if _can_suggest(study) and of_study.computing_ahead is None:
            first = of_study.computing_ahead = asyncio.create_task(self._compute_ahead(study, of_study))
            # Not before: two processes that start at once would both be late.
            first.add_done_callback(lambda _: self._pool.start_one())

    def on_result(self, study: Study) -> None:
        """Begin a computation after a new result, since the worker that reported it asks next."""
        of_study = self._studies.get(study.key)
        if of_study is not None and _can_suggest(study):
            of_study.outdated = True
            self._arrange(study, of_study)

    def _of(self, study: Study) -> Computations:
        of_study = self._studies.pop(study.key, None) or Computations()
        self._studies[study.key] = of_study
        for key, other in list(self._studies.items())[: max(0, len(self._studies) - MOST_STUDIES)]:
            if other.serving is None and other.computing_ahead is None and not other.waiting:
                del self._studies[key]
        return of_study

    def _arrange(self, study: Study, of_study: Computations) -> None:
        """Begin the next computation, if one is needed."""
        of_study.serve_cached()
        if of_study.serving is not None:
            return
        # Points that are being computed become a trial soon, of which a computation that begins now would not know.
        if of_study.unused or (of_study.waiting and of_study.computing_ahead is None):
            of_study.serving = asyncio.create_task(self._serve(study, of_study))
        elif not of_study.waiting and of_study.should_prepare and _can_suggest(study):
            of_study.computing_ahead = asyncio.create_task(self._compute_ahead(study, of_study))

    async def _serve(self, study: Study, of_study: Computations) -> None:
        """Compute points for waiting calls until none waits."""
        try:
            await of_study.all_used()
            while of_study.waiting:
                await self._compute(of_study, of_study.next_together())
                await of_study.all_used()
        finally:
            of_study.serving = None
        self._arrange(study, of_study)

    async def _compute(self, of_study: Computations, asks: Sequence[Ask]) -> None:
        """Compute points for calls that wait together."""
        job = Job(asks[0].study.key, sum(ask.count for ask in asks), asks[0].spaces)
        if of_study.is_slow and not job.spaces:
            job = dataclasses.replace(job, count=max(job.count, of_study.count_ahead))
        try:
            await self._fit(of_study, job, Shares(of_study, asks).take)
        except Exception as error:  # noqa: BLE001 - waiting calls have to get any error
            of_study.fail(asks, error)

    async def _compute_ahead(self, study: Study, of_study: Computations) -> None:
        """Compute points for calls that will come."""
        try:
            await of_study.all_used()
            await self._fit(of_study, Job(study.key, of_study.count_ahead), of_study.cache)
        except Exception as error:  # noqa: BLE001 - waiting calls have to get any error
            of_study.durations.clear()
            if of_study.serving is None:
                asks = list(of_study.waiting)
                of_study.waiting.clear()
                of_study.fail(asks, error)
        finally:
            of_study.computing_ahead = None
        self._arrange(study, of_study)

    async def _fit(self, of_study: Computations, job: Job, take: Callable[[Answer], None]) -> None:
        def started() -> None:
            of_study.started = True

        def found(answer: Answer) -> None:
            if not answer.more:
                of_study.record_cost(answer)
            take(answer)

        of_study.started = of_study.failure_reported = of_study.outdated = False
        await self._pool.fit(job, found, slow=of_study.is_slow, started=started)


def _can_suggest(study: Study) -> bool:
    """Return whether the study needs points from a process."""
    if study.state is not StudyState.ACTIVE or study.remaining_trials == 0:
        return False
    if not study.spec.space.parameters:
        # There is nothing to suggest yet: the first trial adds the parameters.
        return False
    try:
        return algorithm_for(study.spec.algorithm).needs_history(study)
    except DodonaError:
        # A study of a newer server may name an algorithm that this one does not have.
        return False
