"""The leases of a fleet's trials: which have expired, which went back to their worker, which another worker has."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

import numpy as np

LEASE_SECONDS = 60.0


class Holding(IntEnum):
    """What a worker has of its trial."""

    NOTHING = 0
    RUNNING = 1
    # Its lease has expired, and the trial is queued: it goes back to the worker that calls first.
    QUEUED = 2
    # Another worker got it.
    TAKEN = 3


class Leases:
    """The leases of workers, each of whom has at most one trial.

    Args:
        studies: the study of each worker.

    Attributes:
        expired: how many leases ran out.
        regained: how many of their trials went back to the worker that had them.
        lost: how many of their trials another worker got: what the first one has computed since its last checkpoint is
            computed again.
    """

    def __init__(self, studies: list[int]) -> None:
        self._studies = studies
        self.expiry = np.full(len(studies), np.inf)
        self.holding = [Holding.NOTHING] * len(studies)
        self._queues: dict[int, deque[int]] = {}
        self.expired = self.regained = self.lost = 0

    def begin(self, worker: int, now: float) -> None:
        """Give the worker that asks a queued trial of its study if there is one, otherwise a new one."""
        queue = self._queues.get(self._studies[worker], ())
        while queue:
            before = queue.popleft()
            # Its worker may have it back, or may be the one that asks.
            if self.holding[before] is Holding.QUEUED and before != worker:
                self.holding[before] = Holding.TAKEN
                self.lost += 1
                break
        self._run(worker, now)

    def _run(self, worker: int, now: float) -> None:
        self.holding[worker] = Holding.RUNNING
        self.expiry[worker] = now + LEASE_SECONDS

    def renew(self, worker: int, now: float) -> bool:
        """Renew the lease of a worker that calls, and return whether the trial is its own."""
        if self.holding[worker] not in (Holding.RUNNING, Holding.QUEUED):
            return False
        self.regained += self.holding[worker] is Holding.QUEUED
        self._run(worker, now)
        return True

    def end(self, worker: int, now: float) -> bool:
        """End the trial of a worker that completes it, and return whether it was its own."""
        if not self.renew(worker, now):
            return False
        self.holding[worker] = Holding.NOTHING
        self.expiry[worker] = np.inf
        return True

    def look(self, now: float) -> None:
        """Queue the trials whose lease has expired, as the server does each second."""
        for worker in map(int, np.flatnonzero(self.expiry <= now)):
            self.holding[worker] = Holding.QUEUED
            self.expiry[worker] = np.inf
            self.expired += 1
            self._queues.setdefault(self._studies[worker], deque()).append(worker)

    def begin_anew(self, now: float) -> None:
        """Renew all leases: nobody could send a heartbeat."""
        self.expiry[np.isfinite(self.expiry)] = now + LEASE_SECONDS
