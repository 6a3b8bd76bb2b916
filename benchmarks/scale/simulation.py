"""A fleet and the service in simulated time: what a run shows, with servers or the database away for a while."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from load import quantile
from scale.clock import Clock
from scale.costs import Costs
from scale.fleet import Study
from scale.service import Service
from scale.workers import Doing, Workers

# The servers look this often for leases that have expired.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is away for a while.

    Args:
        begin: when it goes, in seconds of the run.
        seconds: for how long.
        servers: how many servers, the first ones; 0 for the database.
    """

    begin: float
    seconds: float
    servers: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed after its warm-up.

    Attributes:
        calls: answered a second, by kind.
        wait: how long workers waited for a suggestion, in milliseconds: median, 99th percentile, longest.
        gap: the same of the time between the trainings of two trials.
        server, database, lock: the share of its time that the busiest server worked, the database's cores, and that
            the busiest study's lock was held.
        batch: the mean number of calls that shared a transaction.
        shares: of the workers' time: training, asking, telling.
        unanswered: calls at the end of the run.
        expired, regained, lost: leases that ran out, and those of them whose trial went back or to another worker.
        trials: completed a second.
    """

    calls: dict[str, float]
    wait: tuple[float, float, float]
    gap: tuple[float, float, float]
    server: float
    database: float
    lock: float
    batch: float
    shares: tuple[float, float, float]
    unanswered: int
    expired: int
    regained: int
    lost: int
    trials: float


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    return quantile(seconds, 0.5), quantile(seconds, 0.99), quantile(seconds, 1.0)


class Simulation:
    """One run.

    Args:
        studies: the fleet.
        costs: of calls.
        servers: how many processes.
        cores: of the database.
        seed: the same seed gives the same run.
        faults: what is away, and when.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        costs: Costs,
        *,
        servers: int,
        cores: int,
        seed: int = 0,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.clock = Clock()
        self.service = Service(self.clock, costs, servers, cores, random.Random(f"{seed}/service"))
        self.workers = Workers(self.clock, self.service, list(studies), random.Random(f"{seed}/workers"))
        self._was_away = False
        self.clock.after(LOOK_SECONDS, self._look)
        for fault in faults:
            self.clock.at(fault.begin, self._lose, fault)
            self.clock.at(fault.begin + fault.seconds, self._restore, fault)

    def run(self, warm_up: float, seconds: float) -> Outcome:
        """Return what the run shows of the `seconds` after its warm-up."""
        self.clock.run(self.clock.now + warm_up)
        self.service.begin()
        self.workers.begin()
        before = self.workers.spent()
        leases = self.workers.leases
        counted = leases.expired, leases.regained, leases.lost
        self.clock.run(self.clock.now + seconds)
        spent = [after - one for after, one in zip(self.workers.spent(), before, strict=True)]
        server, database, lock = self.service.busy()
        answered = self.service.answered
        expired, regained, lost = (
            after - one for after, one in zip((leases.expired, leases.regained, leases.lost), counted, strict=True)
        )
        return Outcome(
            calls={kind: count / seconds for kind, count in answered.items()},
            wait=_spread(self.workers.waits),
            gap=_spread(self.workers.gaps),
            server=server,
            database=database,
            lock=lock,
            batch=sum(answered.values()) / max(1, self.service.transactions),
            shares=tuple(spent[doing] / sum(spent) for doing in Doing),
            unanswered=self.service.unanswered,
            expired=expired,
            regained=regained,
            lost=lost,
            trials=self.workers.trials / seconds,
        )

    def _look(self) -> None:
        """Let the servers look for expired leases: after an outage, or in a new server, all of them are renewed."""
        leases, now = self.workers.leases, self.clock.now
        if not self.service.database_is_up or not any(server.is_up for server in self.service.servers):
            self._was_away = True
        elif self._was_away:
            leases.begin_anew(now)
            self._was_away = False
        else:
            leases.look(now)
        self.clock.after(LOOK_SECONDS, self._look)

    def _lose(self, fault: Fault) -> None:
        for index in range(fault.servers):
            self.service.lose_server(index)
        if not fault.servers:
            self.service.lose_database()

    def _restore(self, fault: Fault) -> None:
        for index in range(fault.servers):
            self.service.start_server(index)
        if fault.servers:
            # A server renews all leases when it starts.
            self._was_away = True
        else:
            self.service.start_database()
