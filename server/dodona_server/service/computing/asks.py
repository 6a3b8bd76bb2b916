"""A call that needs points, and the points it gets."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.contract.algorithm import Suggestion
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import Study, Version
from dodona_server.service.computing.pool import Answer


class Source(enum.StrEnum):
    """Origin of a suggestion."""

    FRESH = "fresh"
    AHEAD = "ahead"
    STAND_IN = "stand-in"


class AlgorithmFailed(Exception):
    """The algorithm raised an exception, died, or did not answer in time.

    Args:
        reason: which of these.
        cause: the same in one word: "failed", "late", or "busy" if no process was free.
        counts: whether this is a failure of the algorithm that no other call has reported.
    """

    def __init__(self, reason: str, cause: str = "failed", *, counts: bool) -> None:
        super().__init__(reason)
        self.cause = cause
        self.counts = counts


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """Points that a call gets.

    Args:
        version: of the study that they were computed for.
        spaces: the spaces they were requested in.
        results: the number of finished trials that they take into account.
        next_trial_number: the study's at that time; trials from this number on are not taken into account.
        source: fresh or ahead.
        suggestions: the points; fewer than requested if the search is over or has to wait.
        together: all points of that computation, each chosen with the others pending.
        strict: whether they become invalid when other trials are created.
        over: whether the search ends with them.
        wait: whether there will be more points when running trials have finished.
        note: why a simpler method replaced the algorithm.
        late: whether it is over because no trial can end before the study's time is.
        used: set when the points are trials or were dropped: the next computation waits for it.
    """

    version: Version
    spaces: tuple[SearchSpace, ...]
    results: int
    next_trial_number: int
    source: Source
    suggestions: Sequence[Suggestion]
    together: Sequence[Suggestion]
    strict: bool
    over: bool
    wait: bool
    note: str
    late: bool
    used: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False, slots=True)
class Ask:
    """A call that needs points.

    Args:
        study: as the call saw it.
        spaces: the spaces to suggest in, in turn; empty for the study's own.
        count: the number of points.
        results: the number of the study's finished trials.
        asked: when the call arrived, on the monotonic clock, in seconds.
    """

    study: Study
    spaces: tuple[SearchSpace, ...]
    count: int
    results: int
    asked: float
    points: asyncio.Future[Computed] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def knows_all(self, answer: Answer) -> bool:
        """Return whether the answer takes all results into account that were known when the call arrived."""
        return answer.version == self.study.version and answer.results >= self.results

    def give_up(self) -> None:
        """Drop the points: nobody waits for them any more."""
        if not self.points.done():
            self.points.cancel()
        elif not self.points.cancelled() and self.points.exception() is None:
            self.points.result().used.set()
