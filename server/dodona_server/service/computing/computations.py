"""Computations of one study: the waiting calls, the cached points, and which call gets which points."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.contract.algorithm import Suggestion
from dodona_server.domain.studies.study import Study
from dodona_server.service.computing.asks import AlgorithmFailed, Ask, Computed, Source
from dodona_server.service.computing.pool import Answer

logger = logging.getLogger("dodona")

PATIENCE_SHARE = 0.05
LEAST_PATIENCE_SECONDS = 0.5
# The most points computed together: with more, the first call would wait for the last point.
MOST_TOGETHER = 8


@dataclass(slots=True)
class CachedPoints:
    """Points computed before a call asked for them: the answer, and those of its points that are left."""

    answer: Answer
    left: list[Suggestion]


@dataclass(eq=False, slots=True)
class Computations:
    """Computations of one study."""

    waiting: deque[Ask] = field(default_factory=deque)
    serving: asyncio.Task[None] | None = None
    computing_ahead: asyncio.Task[None] | None = None
    cached: CachedPoints | None = None
    # Whether results arrived since the latest computation began.
    outdated: bool = False
    # Points that may become trials at any moment, which a computation would not know.
    unused: list[Computed] = field(default_factory=list)
    # The duration of the latest computations, and what the last one saw of the study.
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=3))
    median_seconds: float | None = None
    running: int = 0
    # Of the present computation: whether a process has begun it, and whether a call has got its failure.
    started: bool = False
    failure_reported: bool = False

    @property
    def seconds(self) -> float:
        """Duration of a computation: the shortest of the latest, as one may import libraries or meet other load."""
        return min(self.durations, default=0.0)

    @property
    def patience(self) -> float:
        """Seconds that a call waits for a fresh point while there may be a cached one."""
        return max(LEAST_PATIENCE_SECONDS, PATIENCE_SHARE * (self.median_seconds or 0.0))

    @property
    def is_slow(self) -> bool:
        """Whether a computation takes longer than a call waits for a fresh point."""
        return self.seconds > self.patience

    @property
    def should_prepare(self) -> bool:
        """Whether to compute points before a call asks."""
        return self.computing_ahead is None and (self.outdated or (self.is_slow and self.cached is None))

    def is_patient(self, ask: Ask) -> bool:
        """Return whether the call may wait for one more computation."""
        return time.monotonic() - ask.asked + self.seconds < self.patience

    @property
    def count_ahead(self) -> int:
        """Number of points to compute before calls ask."""
        if not self.is_slow or not self.median_seconds:
            return 1
        return max(1, min(MOST_TOGETHER, math.ceil(self.running * self.seconds / self.median_seconds)))

    def next_together(self) -> list[Ask]:
        """Dequeue the calls whose points are computed next: the first one, and those behind it that can share."""
        asks: list[Ask] = []
        while self.waiting and (not asks or _fits(self.waiting[0], asks)):
            asks.append(self.waiting.popleft())
        return asks

    def record_cost(self, answer: Answer) -> None:
        """Record the duration of a computation, and what it saw of the study."""
        self.durations.append(answer.seconds)
        self.median_seconds = answer.median_seconds
        self.running = answer.running

    def cache(self, answer: Answer) -> None:
        """Keep points for later calls."""
        if not answer.more:
            self.cached = CachedPoints(answer, list(answer.suggestions))

    def serve_cached(self) -> None:
        """Answer waiting calls with the cached points that they may have."""
        for ask in list(self.waiting):
            cached = self.cached
            if cached is not None and self._may_have(ask, cached):
                self.waiting.remove(ask)
                points, cached.left = cached.left[: ask.count], cached.left[ask.count :]
                if not cached.left:
                    self.cached = None
                source = Source.FRESH if ask.knows_all(cached.answer) else Source.AHEAD
                self.give(ask, cached.answer, points, cached.answer.suggestions, source)

    def _may_have(self, ask: Ask, cached: CachedPoints) -> bool:
        """Return whether a call may have cached points."""
        answer = cached.answer
        if ask.spaces or answer.version != ask.study.version:
            return False
        fresh = ask.knows_all(answer)
        if len(cached.left) < ask.count:
            # Whether the search is over or has to wait may have changed since, unless the answer is fresh.
            return fresh and (answer.over or answer.wait)
        if not self.is_patient(ask):
            return True
        taken = len(answer.suggestions) - len(cached.left)
        first = answer.next_trial_number
        return fresh and first <= ask.study.next_trial_number <= first + taken

    def give(
        self, ask: Ask, answer: Answer, points: Sequence[Suggestion], together: Sequence[Suggestion], source: Source
    ) -> None:
        """Answer a call with its points."""
        computed = Computed(
            version=answer.version,
            spaces=ask.spaces,
            results=answer.results,
            next_trial_number=answer.next_trial_number,
            source=source,
            suggestions=points,
            together=together,
            strict=self.is_patient(ask),
            over=answer.over,
            wait=answer.wait,
            note=answer.note,
            late=answer.late,
        )
        self.unused.append(computed)
        ask.points.set_result(computed)

    def fail(self, asks: Sequence[Ask], error: Exception) -> None:
        """Raise the error in the calls."""
        for ask in asks:
            if not ask.points.done():
                ask.points.set_exception(self._failure(ask.study, error))

    async def all_used(self) -> None:
        """Wait until the points given to calls are trials, so that the next computation knows them."""
        while self.unused:
            computed = self.unused[0]
            await computed.used.wait()
            if computed in self.unused:
                self.unused.remove(computed)

    def _failure(self, study: Study, error: Exception) -> AlgorithmFailed:
        counts = not self.failure_reported
        if counts:
            self.failure_reported = True
            logger.warning("%s: no suggestions: %s", study.name, error)
        return AlgorithmFailed(str(error) or type(error).__name__, counts=counts)

    def too_late(self, study: Study, deadline: float) -> AlgorithmFailed:
        """Return the failure of a call whose deadline, in seconds, has passed."""
        if not self.started:
            # The processes are busy with other studies: no failure of this one's algorithm.
            reason = f"no process was free for {study.spec.algorithm} in {deadline:g} s"
            return AlgorithmFailed(reason, "busy", counts=False)
        counts, self.failure_reported = not self.failure_reported, True
        return AlgorithmFailed(f"{study.spec.algorithm} took more than {deadline:g} s", "late", counts=counts)


class Shares:
    """Gives calls that wait together their points as they arrive.

    Args:
        of_study: the study's computations.
        asks: the calls.
    """

    def __init__(self, of_study: Computations, asks: Sequence[Ask]) -> None:
        self._of_study = of_study
        self._asks = deque(asks)
        self._is_in_contexts = bool(asks[0].spaces)
        self._given = 0
        # It grows, and each call sees all of it: another call's point may become a trial first.
        self._together: list[Suggestion] = []

    def take(self, answer: Answer) -> None:
        """Answer the calls with the points that arrived; after the last answer, cache the points that are left."""
        self._together += answer.suggestions[len(self._together) :]
        while self._asks and (self._are_enough_for(self._asks[0]) or not answer.more):
            ask = self._asks.popleft()
            if not ask.points.done():
                points = self._together[self._given : self._given + ask.count]
                self._given += len(points)
                self._of_study.give(ask, answer, points, self._together, Source.FRESH)
        if not answer.more:
            left = self._together[self._given :]
            self._of_study.cached = CachedPoints(answer, left) if left and not self._is_in_contexts else None

    def _are_enough_for(self, ask: Ask) -> bool:
        return ask.points.done() or ask.count <= len(self._together) - self._given


def _fits(ask: Ask, asks: Sequence[Ask]) -> bool:
    alike = ask.spaces == asks[0].spaces == ()
    return alike and ask.count + sum(other.count for other in asks) <= MOST_TOGETHER
