"""Simulated time, and what is waited for in it: processors and the locks of studies."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any


class Clock:
    """Simulated time in seconds, from 0 on, and the actions that are due."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        """Run `action` at that time; of two at the same time, the one that was given first."""
        heapq.heappush(self._due, (time, next(self._order), action, arguments))

    def after(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        """Run `action` in that many seconds."""
        self.at(self.now + seconds, action, *arguments)

    def run(self, until: float) -> None:
        """Run everything that is due up to that time, which it is afterwards."""
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, action, arguments = heapq.heappop(due)
            action(*arguments)
        self.now = until


class Station:
    """Processor cores with one queue, first come, first served.

    Args:
        cores: how many work at once.
    """

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self._taken = 0.0
        self._free = [0.0] * cores

    def take(self, now: float, seconds: float) -> float:
        """Return when work of that many seconds, which arrives now, is done; calls come in the order of `now`."""
        self._taken += seconds
        done = max(now, self._free[0]) + seconds
        heapq.heapreplace(self._free, done)
        return done

    def take_first(self, now: float, seconds: float) -> float:
        """Return when work is done that does not wait for other work, only delays it: that of another thread."""
        self._taken += seconds
        heapq.heapreplace(self._free, max(now, self._free[0]) + seconds)
        return now + seconds

    def worked(self, now: float) -> float:
        """Return the seconds that the cores together have worked until now."""
        return self._taken - sum(max(0.0, free - now) for free in self._free)

    def restart(self, now: float) -> None:
        """Forget all work that is not done."""
        self._taken = self.worked(now)
        self._free = [now] * self.cores


class Lock:
    """The row lock of a study, which one transaction holds, in order of arrival."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._since: float | None = None
        self._held = 0.0

    def acquire(self, then: Callable[[], None]) -> None:
        """Call `then` once the lock is held, at once if it is free."""
        self._waiting.append(then)
        if self._since is None:
            self._grant()

    def release(self) -> None:
        """Let go of the lock, to the next one that waits."""
        self._held = self.held()
        self._since = None
        if self._waiting:
            self._grant()

    def held(self) -> float:
        """Return the seconds for which it was held until now."""
        return self._held + (0.0 if self._since is None else self._clock.now - self._since)

    def _grant(self) -> None:
        self._since = self._clock.now
        self._waiting.popleft()()
