"""The three kinds of run: throughput, growth with the number of trials, and recovery after kill -9."""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from growth import fill
from load import CALLS, KINDS, Call, Connection, RawSession, percentile, quantile
from processes import Load, Server, cpu_seconds
from targets import STUDY, TARGETS, Machine, Running

WARM_UP_SECONDS = 1.0
# Growth is measured for a number of cycles, not for a time, so that a study of 100 trials does not grow to thousands.
GROWTH_WARM_UP_CYCLES = 50
GROWTH_CYCLES = 300
GROWTH_READS = 50
PAGE_SIZE = 100
RECOVERY_WORKERS = 8
SECONDS_BEFORE_KILL = 2.0
SECONDS_AWAY = 1.0
SECONDS_TO_RETURN = 8.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One run under load: CPU time in milliseconds per cycle, latencies in milliseconds by the kind of call.

    In a growth run `trials` is the number before the run and `reads` are the medians of the queries. `load_average` is
    the machine's, of the minute before the run.
    """

    target: str
    workers: int
    trials: int | None
    repeat: int
    load_average: float
    cycles_per_second: float
    server_cpu: float
    database_cpu: float
    load_cpu: float
    p50: dict[str, float]
    p99: dict[str, float]
    idle_megabytes: float
    start_seconds: float
    reads: dict[str, float]

    @property
    def cpu(self) -> float:
        """The service's CPU time: the server and its database."""
        return self.server_cpu + self.database_cpu

    @property
    def total_cpu(self) -> float:
        """The total CPU time of a cycle: the service and its clients."""
        return self.cpu + self.load_cpu


@dataclass(frozen=True, slots=True)
class Return:
    """The recovery of a target's workers after kill -9: seconds since the start of the new server."""

    target: str
    repeat: int
    load_average: float
    ready: float
    median: float
    last: float
    back: int
    workers: int


class Meter:
    """The CPU time of a run's three parts between two times.

    Args:
        running: the target.
        load: its workers; None if this process is the load.

    """

    def __init__(self, running: Running, load: Load | None) -> None:
        self._server = running.server.process if running.server else None
        postgres = running.machine.postgres if running.target.postgres else None
        self._database = postgres.process if postgres else None
        self._load = load.process if load else None
        self.began = time.monotonic()
        self._before = self._used()

    def _used(self) -> list[float]:
        return [cpu_seconds(part) if part else 0.0 for part in (self._server, self._database, self._load)]

    def read(self) -> tuple[float, list[float]]:
        """Return the time, and the seconds of CPU used since the beginning: server, database, load."""
        used = [after - before for after, before in zip(self._used(), self._before, strict=True)]
        return time.monotonic(), used


def _idle_megabytes(server: Server) -> float:
    server.settle()
    return server.resident_megabytes()


def throughput(target: str, workers: int, repeat: int, seconds: float, machine: Machine, folder: Path) -> Figures:
    """Run a fresh server and study under load for some seconds, after one second to warm up."""
    running = Running(TARGETS[target], machine, folder / f"{target}-{workers}-{repeat}")
    load = None
    try:
        idle = _idle_megabytes(running.server) if running.server else 0.0
        load = Load(
            machine.python(running.target),
            running.target.driver,
            running.address,
            workers,
            WARM_UP_SECONDS + seconds,
            core=machine.load_core,
        )
        time.sleep(WARM_UP_SECONDS)
        meter = Meter(running, load)
        time.sleep(seconds)
        ended, used = meter.read()
        calls = load.calls()
        if max(call.ended for call in calls) < ended:
            raise RuntimeError("the load ended before the measured time")
        calls = [call for call in calls if meter.began < call.ended <= ended]
        return _figures(running, calls, ended - meter.began, used, workers=workers, repeat=repeat, idle=idle)
    finally:
        if load:
            load.stop()
        running.stop()


def growth(target: str, trials: int, repeat: int, machine: Machine, folder: Path) -> Figures:
    """Run a cold Dodona server and one raw worker on a study with `trials` trials."""
    postgres = machine.postgres if TARGETS[target].postgres else None
    where = folder / f"{target}-growth-{trials}-{repeat}"
    where.mkdir(parents=True)
    filled = _filled(target, trials, machine, folder)
    if postgres:
        url = postgres.create_database(template=filled)
    else:
        url = f"sqlite:///{_copied(Path(filled), where / 'benchmark.db')}"
    running = Running(TARGETS[target], machine, where, url)
    assert running.server is not None
    try:
        idle = _idle_megabytes(running.server)
        session = RawSession(running.server.port, STUDY, "worker-0")
        reads = _reads(Connection(running.server.port))
        _cycles(session, GROWTH_WARM_UP_CYCLES)
        meter = Meter(running, None)
        calls = _cycles(session, GROWTH_CYCLES)
        ended, used = meter.read()
        return _figures(
            running,
            calls,
            ended - meter.began,
            used,
            workers=1,
            repeat=repeat,
            idle=idle,
            trials=trials,
            reads=reads,
        )
    finally:
        running.stop()
        if not postgres:
            shutil.rmtree(where)


def _filled(target: str, trials: int, machine: Machine, folder: Path) -> str:
    """Return the filled database to copy, created at the first call: a file or a URL."""
    note = folder / f"{target}-filled-{trials}.txt"
    if note.exists():
        return note.read_text()
    running = Running(TARGETS[target], machine, folder / f"{target}-filled-{trials}")
    running.stop(keep_database=True)
    fill(running.database_url, STUDY, trials)
    filled = running.database_url if running.target.postgres else running.database_url.removeprefix("sqlite:///")
    note.write_text(filled)
    return filled


def _copied(filled: Path, copy: Path) -> Path:
    """Return a copy of an SQLite file, including its write-ahead log."""
    with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def _cycles(session: RawSession, count: int) -> list[Call]:
    return [call for _ in range(count) for call in session.cycle()]


def _reads(connection: Connection) -> dict[str, float]:
    """Return the medians of the queries' durations, each measured several times, in milliseconds."""
    paths = {
        "study": STUDY,
        "best": f"{STUDY}/trials?orderBy=objective&pageSize=1",
        "page": f"{STUDY}/trials?pageSize={PAGE_SIZE}",
    }
    medians = {}
    for name, path in paths.items():
        took = []
        for _ in range(GROWTH_READS):
            began = time.monotonic()
            connection.get(path)
            took.append(time.monotonic() - began)
        medians[name] = quantile(took, 0.5)
    return medians


def recovery(target: str, repeat: int, machine: Machine, folder: Path) -> Return:
    """Kill the server with SIGKILL while workers run, and restart it a second later; without a server, PostgreSQL."""
    running = Running(TARGETS[target], machine, folder / f"{target}-killed-{repeat}")
    load = None
    try:
        seconds = SECONDS_BEFORE_KILL + SECONDS_AWAY + SECONDS_TO_RETURN + running_start(running)
        load = Load(
            machine.python(running.target),
            running.target.driver,
            running.address,
            RECOVERY_WORKERS,
            seconds,
            core=machine.load_core,
            patient=True,
        )
        time.sleep(SECONDS_BEFORE_KILL)
        victim = running.server or machine.postgres
        assert victim is not None
        victim.kill()
        time.sleep(SECONDS_AWAY)
        began = time.monotonic()
        victim.start()
        ready = time.monotonic() - began
        first: dict[int, float] = {}
        for call in load.calls():
            if call.ended > began:
                first[call.worker] = min(first.get(call.worker, call.ended), call.ended)
        back = sorted(ended - began for ended in first.values()) or [float("nan")]
        return Return(
            target,
            repeat,
            os.getloadavg()[0],
            ready,
            statistics.median(back),
            back[-1],
            len(first),
            RECOVERY_WORKERS,
        )
    finally:
        if load:
            load.stop()
        running.stop()


def running_start(running: Running) -> float:
    """Return the seconds that the target takes to start."""
    return running.server.start_seconds if running.server else 0.0


def _figures(
    running: Running,
    calls: list[Call],
    seconds: float,
    used: list[float],
    *,
    workers: int,
    repeat: int,
    idle: float,
    trials: int | None = None,
    reads: dict[str, float] | None = None,
) -> Figures:
    cycles = len(calls) / CALLS
    if not cycles:
        raise RuntimeError("no call ended in the measured time")
    server, database, load = (1000 * part / cycles for part in used)
    return Figures(
        target=running.target.name,
        workers=workers,
        trials=trials,
        repeat=repeat,
        load_average=round(os.getloadavg()[0], 2),
        cycles_per_second=cycles / seconds,
        server_cpu=server,
        database_cpu=database,
        load_cpu=load,
        p50={kind: percentile(calls, kind, 0.5) for kind in KINDS},
        p99={kind: percentile(calls, kind, 0.99) for kind in KINDS},
        idle_megabytes=idle,
        start_seconds=running_start(running),
        reads=reads or {},
    )
