"""Workers: the clients that ask a study for trials."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.names import StudyName

# A worker without a trial asks again within 20 s while it waits.
ALIVE_SECONDS = 60.0
MAX_AGENT_LENGTH = 256


class StopOrder(enum.StrEnum):
    """Order to a worker: none, to stop when its trials have ended, or to stop now."""

    NONE = ""
    AFTER_TRIAL = "AFTER_TRIAL"
    NOW = "NOW"


class WorkerState(enum.StrEnum):
    """State of a worker.

    RUNNING workers run trials, WAITING ones asked for one recently. STOPPING ones were asked to stop and still run
    trials or do not know it yet, STOPPED ones know it. GONE ones have not asked for a minute.
    """

    RUNNING = "RUNNING"
    WAITING = "WAITING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Running:
    """A trial that a worker runs, and since when, in seconds since the epoch."""

    number: int
    start_time: float


@dataclass(frozen=True, slots=True)
class Worker:
    """A client of a study. Times are in seconds since the epoch.

    Args:
        study: whose trials it runs.
        client_id: its id.
        first_time: when it first asked for a trial.
        seen_time: when it last asked, reported or sent a heartbeat.
        agent: its software and its machine, as it says; empty if it does not.
        stop: what it is asked to do.
        told: whether it has learned that it is to stop.
        finished: the number of its trials that succeeded.
        failed: the number of its trials that are infeasible.
        busy_seconds: the total duration of its attempts that have ended.
        gpus: how many GPUs it has; 0 if it has none or does not say.
        running: the trials that it runs.
    """

    study: StudyName
    client_id: str
    first_time: float
    seen_time: float
    agent: str = ""
    stop: StopOrder = StopOrder.NONE
    told: bool = False
    finished: int = 0
    failed: int = 0
    busy_seconds: float = 0.0
    gpus: float = 0.0
    running: Sequence[Running] = ()

    def state(self, now: float) -> WorkerState:
        """Return the state at that time."""
        if self.stop is not StopOrder.NONE:
            return WorkerState.STOPPED if self.told and not self.running else WorkerState.STOPPING
        if self.running:
            return WorkerState.RUNNING
        return WorkerState.WAITING if now - self.seen_time < ALIVE_SECONDS else WorkerState.GONE

    def trials_per_hour(self, now: float) -> float | None:
        """Return how many trials it finishes in an hour; None before the first."""
        ended = self.finished + self.failed
        until = now if self.running else self.seen_time
        return 3600 * ended / (until - self.first_time) if ended and until > self.first_time else None
