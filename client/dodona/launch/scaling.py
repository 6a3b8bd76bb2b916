"""Number of workers for a `dodona run`, and which ones to stop: pure functions of the server's answers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds on the number of workers of a `dodona run`.

    Args:
        least: the fewest, while there is something to run.
        most: the most.
        follows: whether the number follows what is left to run; otherwise it is `most` unless people want fewer.
    """

    least: int
    most: int
    follows: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """A study as far as the number of its workers depends on it.

    Args:
        state: ACTIVE, INACTIVE or COMPLETED.
        left: how many trials its budget still allows; None without a limit.
        running: how many trials run.
        queued: how many trials wait for a worker.
        wanted: how many workers people want; None if they leave it open.
        workers: its living workers on all machines: first those that run trials, each group in the order of its start.
        busy: those of them that run trials.
    """

    state: str
    left: int | None
    running: int
    queued: int
    wanted: int | None
    workers: Sequence[str]
    busy: Collection[str]

    @property
    def is_over(self) -> bool:
        """Whether no worker will get a trial any more."""
        return self.state == "COMPLETED"

    @property
    def useful(self) -> float:
        """Number of workers that could run a trial now, on all machines together."""
        if self.state != "ACTIVE":
            return self.running
        return math.inf if self.left is None else self.running + self.queued + self.left


@dataclass(frozen=True, slots=True)
class Target:
    """Number of workers to have.

    Args:
        count: workers without a trial are stopped, and others are started, until there are so many.
        limit: workers with a trial are stopped too until there are no more than this.
    """

    count: int
    limit: int


def target(demand: Demand, mine: Sequence[str], bounds: Bounds) -> Target:
    """Return how many workers this `dodona run` should have.

    Several machines that run workers of one study share its number: the workers that have a trial keep their places,
    then those that have been there longest, and each machine fills free places.

    Args:
        demand: the study.
        mine: the names of the workers that this one has.
        bounds: how many it may have.
    """
    limit = bounds.most
    if demand.wanted is not None:
        limit = min(limit, int(_share(demand.workers, mine, demand.wanted)))
    if not bounds.follows:
        return Target(limit, limit)
    count = min(limit, _share(demand.workers, mine, demand.useful))
    if demand.wanted is None:
        count = max(count, min(bounds.least, demand.useful))
    return Target(int(count), limit)


def _share(workers: Sequence[str], mine: Sequence[str], places: float) -> float:
    """Return how many of the places in a study are for workers of this machine."""
    # Workers that have just been started are not known to the server yet.
    known = set(workers)
    ranked = [*workers, *(name for name in mine if name not in known)]
    if places >= len(ranked):
        return len(mine) + places - len(ranked)
    return sum(name in set(mine) for name in ranked[: int(places)])


def surplus(mine: Sequence[str], busy: Collection[str], wanted: Target, *, last_first: bool) -> list[str]:
    """Return the workers to stop: the last ones without a trial, then, above the limit, others.

    Args:
        mine: the workers, in the order of their start.
        busy: those that run trials.
        wanted: how many there should be.
        last_first: whether only the last ones can be stopped.
    """
    over = len(mine) - wanted.count
    above_limit = len(mine) - wanted.limit
    if last_first:
        idle = next((number for number, name in enumerate(reversed(mine)) if name in busy), len(mine))
        return list(reversed(mine))[: max(0, above_limit, min(over, idle))]
    order = [name for name in reversed(mine) if name not in busy]
    return [
        *order[: max(0, over)],
        *[name for name in reversed(mine) if name in busy][: max(0, above_limit - len(order))],
    ]
