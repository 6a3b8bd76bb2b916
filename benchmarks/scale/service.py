"""Servers and their database in simulated time: what a call waits for, from its arrival to its answer.

A call takes processor time of its server, which has one core: Python runs one thread at a time. Then it joins those of
its study that wait for a transaction at this server. A transaction takes all of them, as `storage/engine/writer.py`
does; it needs one of the server's writing threads, the study's lock if it has a suggestion, processor time of the
database, and the time of its commit.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dodona_server.storage.engine.postgres import WRITER_CONNECTIONS
from dodona_server.storage.engine.writer import MAX_BATCH
from scale.clock import Clock, Lock, Station
from scale.costs import KINDS, Costs

# A call to a server that is away fails after this time.
REFUSED_SECONDS = 0.001

Answer = Callable[[bool], None]


@dataclass(slots=True, eq=False)
class Call:
    """A call that waits for its answer; it fails if the server is no longer the one that it reached."""

    kind: str
    study: int
    answer: Answer
    life: int
    began: float


class Server:
    """A server process: its core, its writing threads, and the calls that it has not answered."""

    def __init__(self) -> None:
        self.core = Station(1)
        self.is_up = True
        # How often it was started: what an earlier life has begun has no effect.
        self.life = 0
        self.forget()

    def forget(self) -> None:
        """Forget all calls."""
        self.open: dict[Call, None] = {}
        self.waiting: dict[int, deque[Call]] = {}
        self.ready: deque[int] = deque()
        self.idle_threads = WRITER_CONNECTIONS


class Service:
    """Server processes on one database.

    Args:
        clock: the time.
        costs: of calls.
        servers: how many processes, each on a core of its own.
        cores: of the database.
        rng: of the times of calls.
    """

    def __init__(self, clock: Clock, costs: Costs, servers: int, cores: int, rng: random.Random) -> None:
        self._clock = clock
        self._costs = costs
        self._rng = rng
        self.servers = [Server() for _ in range(servers)]
        self.database = Station(cores)
        self.database_is_up = True
        self._database_life = 0
        self._locks: dict[int, Lock] = {}
        self.begin()

    def begin(self) -> None:
        """Begin to measure."""
        self._began = self._clock.now
        self._before = self._worked()
        self.answered = dict.fromkeys(KINDS, 0)
        self.transactions = 0

    def _worked(self) -> tuple[list[float], float, dict[int, float]]:
        now = self._clock.now
        return (
            [server.core.worked(now) for server in self.servers],
            self.database.worked(now),
            {study: lock.held() for study, lock in self._locks.items()},
        )

    def busy(self) -> tuple[float, float, float]:
        """Return the share of the time that the busiest server and the database worked, and of the busiest lock."""
        seconds = self._clock.now - self._began
        (servers, database, locks), before = self._worked(), self._before
        server = max(after - one for after, one in zip(servers, before[0], strict=True))
        held = max((time - before[2].get(study, 0.0) for study, time in locks.items()), default=0.0)
        return server / seconds, (database - before[1]) / seconds / self.database.cores, held / seconds

    @property
    def unanswered(self) -> int:
        """How many calls wait for an answer."""
        return sum(len(server.open) for server in self.servers)

    def call(self, kind: str, study: int, home: int, answer: Answer) -> None:
        """Send a call; `answer` is told whether it succeeded.

        Args:
            kind: one of KINDS.
            study: which it is about.
            home: the server of the caller's connection; while that one is away, a proxy chooses the next one.
            answer: called once.
        """
        up = self._reached(home)
        if up is None:
            self._clock.after(REFUSED_SECONDS, answer, False)
            return
        call = Call(kind, study, answer, up.life, self._clock.now)
        up.open[call] = None
        done = up.core.take(self._clock.now, self._costs.call[kind].server * self._factor())
        self._clock.at(done, self._parsed, up, call)

    def _reached(self, home: int) -> Server | None:
        if self.servers[home].is_up:
            return self.servers[home]
        return next((one for one in self.servers[home:] + self.servers[:home] if one.is_up), None)

    def _factor(self) -> float:
        spread = self._costs.spread
        return spread[int(self._rng.random() * len(spread))]

    def _parsed(self, server: Server, call: Call) -> None:
        if call.life != server.life:
            return
        if (waiting := server.waiting.get(call.study)) is not None:
            waiting.append(call)
            return
        server.waiting[call.study] = deque((call,))
        server.ready.append(call.study)
        self._work(server)

    def _work(self, server: Server) -> None:
        """Begin a transaction for each study that is ready, as long as there are threads."""
        while server.idle_threads and server.ready:
            server.idle_threads -= 1
            study = server.ready.popleft()
            waiting = server.waiting[study]
            calls = [waiting.popleft() for _ in range(min(len(waiting), MAX_BATCH))]
            cost = self._costs.shared({call.kind for call in calls})
            # By a thread of its own, which takes turns with the one that reads calls.
            done = server.core.take_first(self._clock.now, cost.server)
            self._clock.at(done, self._begin_transaction, server, server.life, study, calls)

    def _begin_transaction(self, server: Server, life: int, study: int, calls: list[Call]) -> None:
        if life != server.life:
            return
        if not self.database_is_up:
            self._finish(server, study, calls, False)
            return
        self.transactions += 1
        if any(call.kind == "ask" for call in calls):
            lock = self._locks.get(study) or self._locks.setdefault(study, Lock(self._clock))
            lock.acquire(lambda: self._execute(server, calls, lock.release))
        else:
            self._execute(server, calls, lambda: None)

    def _execute(self, server: Server, calls: list[Call], release: Callable[[], None]) -> None:
        costs, now = self._costs, self._clock.now
        shared = costs.shared({call.kind for call in calls})
        database, rest = shared.database, shared.rest
        for call in calls:
            factor = self._factor()
            database += costs.call[call.kind].database * factor
            rest += costs.call[call.kind].rest * factor
        life = self._database_life
        done = self.database.take(now, database) + rest
        self._clock.at(done, self._commit, server, calls, life, release)

    def _commit(self, server: Server, calls: list[Call], life: int, release: Callable[[], None]) -> None:
        release()
        if calls[0].life == server.life:
            self._finish(server, calls[0].study, calls, self.database_is_up and life == self._database_life)

    def _finish(self, server: Server, study: int, calls: list[Call], success: bool) -> None:
        if server.waiting[study]:
            server.ready.append(study)
        else:
            del server.waiting[study]
        server.idle_threads += 1
        for call in calls:
            del server.open[call]
            if success:
                self.answered[call.kind] += 1
            call.answer(success)
        self._work(server)

    def lose_server(self, index: int) -> None:
        """End a server; its calls fail."""
        server = self.servers[index]
        server.is_up = False
        server.life += 1
        lost = list(server.open)
        server.forget()
        for call in lost:
            self._clock.after(REFUSED_SECONDS, call.answer, False)

    def start_server(self, index: int) -> None:
        """Start a server again."""
        self.servers[index].core.restart(self._clock.now)
        self.servers[index].is_up = True

    def lose_database(self) -> None:
        """End the database: the servers answer that it is away."""
        self.database_is_up = False
        self._database_life += 1

    def start_database(self) -> None:
        """Start the database again."""
        self.database.restart(self._clock.now)
        self.database_is_up = True
