"""Workers in simulated time, who follow the protocol of `dodona.Client`.

A worker asks, trains up to its next report, reports, and so on; it completes the trial and asks again. Its heartbeat
looks every 8 to 10 seconds, and renews the lease if the server has heard nothing for 10. Calls that fail are repeated
after growing pauses with jitter. A report that fails is kept, training goes on, and the heartbeat sends it later. The
times between these are those of the client.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from enum import IntEnum

from dodona._http.transport import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from dodona._trials.heartbeat import HEARTBEATS_PER_LEASE
from dodona._trials.outbox import DIRECT_PATIENCE_SECONDS
from scale.clock import Clock
from scale.fleet import Study
from scale.leases import LEASE_SECONDS, Leases
from scale.service import Service

INTERVAL = LEASE_SECONDS / HEARTBEATS_PER_LEASE


class Doing(IntEnum):
    """What a worker does."""

    TRAINING = 0
    ASKING = 1
    # It waits for the answer to a report or a completion.
    TELLING = 2


@dataclass(slots=True, eq=False)
class Worker:
    """A worker and its trial."""

    index: int
    study: int
    home: int
    # Its trials are counted, so that what was begun for an earlier one has no effect.
    trial: int = 0
    doing: Doing = Doing.TRAINING
    since: float = 0.0
    spent: list[float] | None = None
    steps: int = 0
    step_seconds: float = 0.0
    contact: float = 0.0
    # When its last training ended.
    trained: float = 0.0
    failures: int = 0
    buffered: bool = False
    lost: bool = False


class Workers:
    """The workers of a fleet, in the middle of their trials when the simulation begins.

    Args:
        clock: the time.
        service: what they call.
        studies: theirs.
        rng: of lengths of trials and pauses.

    Attributes:
        waits: how long each ask took until the worker had a trial, in seconds, since the last `begin`.
        gaps: how long each worker was between the trainings of two trials, in seconds, since then.
        trials: how many were completed since.
    """

    def __init__(self, clock: Clock, service: Service, studies: list[Study], rng: random.Random) -> None:
        self._clock, self._service, self._studies, self._rng = clock, service, studies, rng
        of = [number for number, study in enumerate(studies) for _ in range(study.workers)]
        self.leases = Leases(of)
        servers = len(service.servers)
        # Neighbors come from different studies: a proxy spreads their connections.
        self.all = [Worker(index, study, index % servers, spent=[0.0] * len(Doing)) for index, study in enumerate(of)]
        self.begin()
        for worker in self.all:
            self._join(worker)

    def begin(self) -> None:
        """Begin to measure."""
        self.waits: list[float] = []
        self.gaps: list[float] = []
        self.trials = 0

    def spent(self) -> list[float]:
        """Return the seconds that all workers have spent in each `Doing` so far."""
        totals = [0.0] * len(Doing)
        for worker in self.all:
            for doing in Doing:
                totals[doing] += worker.spent[doing] + (worker.doing is doing) * (self._clock.now - worker.since)
        return totals

    def _join(self, worker: Worker) -> None:
        """Let a worker be in the middle of a trial and of the pause between two heartbeats."""
        now, rng = self._clock.now, self._rng
        seconds, reports = self._studies[worker.study].running(rng)
        worker.step_seconds = seconds / reports
        worker.steps = rng.randint(1, reports)
        since = rng.random() * min(worker.step_seconds, INTERVAL)
        worker.contact = now - since
        self.leases.begin(worker.index, now - since)
        self._clock.after(rng.random() * worker.step_seconds, self._step, worker, worker.trial)
        self._clock.after(rng.random() * INTERVAL / 2, self._round, worker)

    def _does(self, worker: Worker, doing: Doing) -> None:
        now = self._clock.now
        worker.spent[worker.doing] += now - worker.since
        worker.doing, worker.since = doing, now

    def _pause(self, tries: int) -> float:
        return self._rng.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10)))

    # The thread that trains.

    def _train(self, worker: Worker) -> None:
        self._does(worker, Doing.TRAINING)
        self._clock.after(worker.step_seconds, self._step, worker, worker.trial)

    def _step(self, worker: Worker, trial: int) -> None:
        assert trial == worker.trial
        worker.trained = self._clock.now
        if worker.lost:
            self._ask(worker)
            return
        worker.steps -= 1
        self._does(worker, Doing.TELLING)
        if worker.buffered and worker.steps:
            # The server is known to be away.
            self._train(worker)
        else:
            self._report(worker)

    def _report(self, worker: Worker) -> None:
        self._send("report", worker, functools.partial(self._reported, worker))

    def _send(self, kind: str, worker: Worker, answer: functools.partial[None]) -> None:
        self._service.call(kind, worker.study, worker.home, answer)

    def _reported(self, worker: Worker, success: bool) -> None:
        if not success:
            worker.buffered = True
            self._clock.after(DIRECT_PATIENCE_SECONDS, self._go_on, worker)
            return
        if self._heard(worker):
            self._go_on(worker)
        else:
            self._ask(worker)

    def _go_on(self, worker: Worker) -> None:
        if worker.steps:
            self._train(worker)
        else:
            self._complete(worker, 0)

    def _complete(self, worker: Worker, tries: int) -> None:
        if worker.lost:
            self._ask(worker)
            return
        # Buffered reports are sent first.
        kind = "report" if worker.buffered else "complete"
        self._send(kind, worker, functools.partial(self._completed, worker, kind, tries + 1))

    def _completed(self, worker: Worker, kind: str, tries: int, success: bool) -> None:
        if not success:
            self._clock.after(self._pause(tries), self._complete, worker, tries)
        elif kind == "report":
            worker.buffered = False
            if self._heard(worker):
                self._complete(worker, 0)
            else:
                self._ask(worker)
        else:
            self.trials += self.leases.end(worker.index, self._clock.now)
            self._ask(worker)

    def _ask(self, worker: Worker) -> None:
        worker.buffered = False
        self._does(worker, Doing.ASKING)
        self._ask_again(worker, 0)

    def _ask_again(self, worker: Worker, tries: int) -> None:
        self._send("ask", worker, functools.partial(self._asked, worker, tries + 1))

    def _asked(self, worker: Worker, tries: int, success: bool) -> None:
        if not success:
            self._clock.after(self._pause(tries), self._ask_again, worker, tries)
            return
        now = self._clock.now
        self.waits.append(now - worker.since)
        self.gaps.append(now - worker.trained)
        self.leases.begin(worker.index, now)
        seconds, worker.steps = self._studies[worker.study].trial(self._rng)
        worker.step_seconds = seconds / worker.steps
        worker.trial += 1
        worker.contact, worker.lost, worker.failures = now, False, 0
        self._train(worker)

    # The heartbeat's thread.

    def _heard(self, worker: Worker) -> bool:
        """Note an answer to a report or a heartbeat, and return whether the trial is still the worker's."""
        worker.contact = self._clock.now
        worker.lost = not self.leases.renew(worker.index, self._clock.now)
        return not worker.lost

    def _round(self, worker: Worker) -> None:
        due = self._clock.now - worker.contact >= INTERVAL / 2
        if worker.doing is Doing.ASKING or worker.lost or not (worker.buffered or due):
            self._next_round(worker)
            return
        kind = "report" if worker.buffered else "heartbeat"
        self._send(kind, worker, functools.partial(self._renewed, worker, worker.trial))

    def _renewed(self, worker: Worker, trial: int, success: bool) -> None:
        if not success:
            worker.failures += 1
            self._clock.after(min(INTERVAL, self._pause(worker.failures)), self._round, worker)
            return
        # The trial may have ended meanwhile.
        if trial == worker.trial and worker.doing is not Doing.ASKING:
            worker.buffered = False
            self._heard(worker)
        worker.failures = 0
        self._next_round(worker)

    def _next_round(self, worker: Worker) -> None:
        self._clock.after(INTERVAL * self._rng.uniform(0.4, 0.5), self._round, worker)
