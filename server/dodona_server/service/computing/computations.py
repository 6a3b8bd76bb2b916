"""What is computed of one study: who waits for it, what is there, and who gets which of the points."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from dodona_server.domain.study import Study
from dodona_server.service.computing.asks import AlgorithmFailed, Ask, Computed, Point, Source
from dodona_server.service.computing.pool import Answer

logger = logging.getLogger("dodona")

PATIENCE_SHARE = 0.05
LEAST_PATIENCE_SECONDS = 0.5
# Points that are computed together: more would keep the first call waiting for the last one's point.
MOST_TOGETHER = 8


@dataclass(slots=True)
class Ahead:
    """An answer, and those of its points that nobody has taken yet."""

    answer: Answer
    left: list[Point]


@dataclass(eq=False, slots=True)
class Computations:
    """What is computed of one study."""

    waiting: deque[Ask] = field(default_factory=deque)
    serving: asyncio.Task[None] | None = None
    computing_ahead: asyncio.Task[None] | None = None
    ahead: Ahead | None = None
    # Results came in since the latest computation began.
    outdated: bool = False
    # Points that may become trials at any moment, of which a computation would not know.
    unused: list[Computed] = field(default_factory=list)
    # How long the latest computations took, and what the last of them saw of the study.
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=3))
    median_seconds: float | None = None
    running: int = 0
    # Of the present one: whether a process has begun with it, and whether a call was told of its failure.
    started: bool = False
    told: bool = False

    @property
    def seconds(self) -> float:
        """How long a computation takes: the first one imports libraries, and another may meet a busy machine."""
        return min(self.durations, default=0.0)

    @property
    def patience(self) -> float:
        """How many seconds a call waits for a fresh point while there may be another."""
        return max(LEAST_PATIENCE_SECONDS, PATIENCE_SHARE * (self.median_seconds or 0.0))

    @property
    def is_slow(self) -> bool:
        """Whether a computation takes longer than a call has patience."""
        return self.seconds > self.patience

    @property
    def should_prepare(self) -> bool:
        """Whether to compute points before a call needs them."""
        return self.computing_ahead is None and (self.outdated or (self.is_slow and self.ahead is None))

    def is_patient(self, ask: Ask) -> bool:
        """Whether the call may wait for one more computation."""
        return time.monotonic() - ask.asked + self.seconds < self.patience

    @property
    def count_ahead(self) -> int:
        """For how many calls points are computed before they come."""
        if not self.is_slow or not self.median_seconds:
            return 1
        return max(1, min(MOST_TOGETHER, math.ceil(self.running * self.seconds / self.median_seconds)))

    def next_together(self) -> list[Ask]:
        """Takes the calls whose points are computed next: the first one, and those behind it that can share."""
        asks: list[Ask] = []
        while self.waiting and (not asks or _fits(self.waiting[0], asks)):
            asks.append(self.waiting.popleft())
        return asks

    def learn(self, answer: Answer) -> None:
        """Takes note of how long a computation took, and of what it saw of the study."""
        self.durations.append(answer.seconds)
        self.median_seconds = answer.median_seconds
        self.running = answer.running

    def keep(self, answer: Answer) -> None:
        """Keeps points that nobody waits for."""
        if not answer.more:
            self.ahead = Ahead(answer, list(answer.parameters))

    def hand_out_ahead(self) -> None:
        """Gives those who wait the points that were computed ahead, as far as they may have them."""
        for ask in list(self.waiting):
            ahead = self.ahead
            if ahead is not None and self._may_have(ask, ahead):
                self.waiting.remove(ask)
                points, ahead.left = ahead.left[: ask.count], ahead.left[ask.count :]
                if not ahead.left:
                    self.ahead = None
                source = Source.FRESH if ask.knows_all(ahead.answer) else Source.AHEAD
                self.give(ask, ahead.answer, points, ahead.answer.parameters, source)

    def _may_have(self, ask: Ask, ahead: Ahead) -> bool:
        """Whether points that were computed ahead will do for a call."""
        answer = ahead.answer
        if ask.spaces or answer.version != ask.study.version:
            return False
        fresh = ask.knows_all(answer)
        if len(ahead.left) < ask.count:
            # That the search is over, or has to wait, may be otherwise by now.
            return fresh and (answer.over or answer.wait)
        if not self.is_patient(ask):
            return True
        taken = len(answer.parameters) - len(ahead.left)
        first = answer.next_trial_number
        return fresh and first <= ask.study.next_trial_number <= first + taken

    def give(
        self, ask: Ask, answer: Answer, points: Sequence[Point], together: Sequence[Point], source: Source
    ) -> None:
        """Gives a call its points."""
        computed = Computed(
            version=answer.version,
            spaces=ask.spaces,
            results=answer.results,
            next_trial_number=answer.next_trial_number,
            source=source,
            parameters=points,
            together=together,
            strict=self.is_patient(ask),
            over=answer.over,
            wait=answer.wait,
            note=answer.note,
        )
        self.unused.append(computed)
        ask.points.set_result(computed)

    def fail(self, asks: Sequence[Ask], error: Exception) -> None:
        """Tells the calls that there are no points for them."""
        for ask in asks:
            if not ask.points.done():
                ask.points.set_exception(self._failure(ask.study, error))

    async def all_used(self) -> None:
        """Waits until the points that were handed out are trials, so that the next computation knows of them."""
        while self.unused:
            computed = self.unused[0]
            await computed.used.wait()
            if computed in self.unused:
                self.unused.remove(computed)

    def _failure(self, study: Study, error: Exception) -> AlgorithmFailed:
        counts = not self.told
        if counts:
            self.told = True
            logger.warning("%s: no suggestions: %s", study.name, error)
        return AlgorithmFailed(str(error) or type(error).__name__, counts=counts)

    def too_late(self, study: Study, deadline: float) -> AlgorithmFailed:
        """The failure of a call whose deadline, in seconds, has passed."""
        if not self.started:
            # Too much is computed for other studies, which is no fault of this one's algorithm.
            return AlgorithmFailed(f"no process was free for {study.spec.algorithm} in {deadline:g} s", counts=False)
        counts, self.told = not self.told, True
        return AlgorithmFailed(f"{study.spec.algorithm} took more than {deadline:g} s", counts=counts)


class Shares:
    """Gives the calls that wait together their points, as these come.

    Args:
        of_study: what is computed of the study.
        asks: the calls.
    """

    def __init__(self, of_study: Computations, asks: Sequence[Ask]) -> None:
        self._of_study = of_study
        self._asks = deque(asks)
        self._is_in_contexts = bool(asks[0].spaces)
        self._given = 0
        # It grows, and each call sees all of it: another one's point may become a trial first.
        self._together: list[Point] = []

    def take(self, answer: Answer) -> None:
        """Gives the calls what has come; with the last answer, what is left over waits for others."""
        self._together += answer.parameters[len(self._together) :]
        while self._asks and (self._are_enough_for(self._asks[0]) or not answer.more):
            ask = self._asks.popleft()
            if not ask.points.done():
                points = self._together[self._given : self._given + ask.count]
                self._given += len(points)
                self._of_study.give(ask, answer, points, self._together, Source.FRESH)
        if not answer.more:
            left = self._together[self._given :]
            self._of_study.ahead = Ahead(answer, left) if left and not self._is_in_contexts else None

    def _are_enough_for(self, ask: Ask) -> bool:
        return ask.points.done() or ask.count <= len(self._together) - self._given


def _fits(ask: Ask, asks: Sequence[Ask]) -> bool:
    alike = ask.spaces == asks[0].spaces == ()
    return alike and ask.count + sum(other.count for other in asks) <= MOST_TOGETHER
