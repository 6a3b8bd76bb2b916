"""A call that needs points, and what it gets."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.study import Study, Version
from dodona_server.service.computing.pool import Answer

Point = Mapping[str, Value]


class Source(enum.StrEnum):
    """How a suggestion came about."""

    FRESH = "fresh"
    AHEAD = "ahead"
    STAND_IN = "stand-in"


class AlgorithmFailed(Exception):
    """The algorithm raised, died or did not answer in time.

    Args:
        reason: which of these.
        counts: whether this is a failure of the algorithm that no other call was told of.
    """

    def __init__(self, reason: str, *, counts: bool) -> None:
        super().__init__(reason)
        self.counts = counts


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """The points that a call gets.

    Args:
        version: of the study that they were computed for.
        spaces: in which they were asked for.
        results: how many finished trials they take account of.
        next_trial_number: the study's at that time; trials from this number on they take no account of.
        source: fresh or ahead.
        parameters: the points; fewer than asked for where the search is over or has to wait.
        together: all points of that computation, which know of each other.
        strict: whether they are void if other trials were created since.
        over: whether the search has come to its end with them.
        wait: whether more will come when trials that run have finished.
        note: why a simpler method stood in for the algorithm.
        used: to be set once the points are trials, or given up: the next computation waits for it.
    """

    version: Version
    spaces: tuple[SearchSpace, ...]
    results: int
    next_trial_number: int
    source: Source
    parameters: Sequence[Point]
    together: Sequence[Point]
    strict: bool
    over: bool
    wait: bool
    note: str
    used: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False, slots=True)
class Ask:
    """A call that needs points.

    Args:
        study: as the call saw it.
        spaces: in which to suggest, one after the other in turn; none for the study's own.
        count: how many points.
        results: how many finished trials the study had.
        asked: when the call came, on the monotonic clock, in seconds.
    """

    study: Study
    spaces: tuple[SearchSpace, ...]
    count: int
    results: int
    asked: float
    points: asyncio.Future[Computed] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def knows_all(self, answer: Answer) -> bool:
        """Whether the answer takes account of all that was known when the call came."""
        return answer.version == self.study.version and answer.results >= self.results

    def give_up(self) -> None:
        """Says that nobody waits for the points any more."""
        if not self.points.done():
            self.points.cancel()
        elif not self.points.cancelled() and self.points.exception() is None:
            self.points.result().used.set()
