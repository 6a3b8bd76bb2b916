"""What a trial costs the server: `dodona serve` against the floor, in one run and interleaved.

A cycle is one trial's traffic: ask, 3 reports, complete. What to compare is the server's CPU time a cycle, which
hardly depends on what else the machine does; cycles/s and latencies do.

    python benchmarks/service.py                                   throughput, 1, 4 and 16 workers
    python benchmarks/service.py --workers --growth 100 10000      cost by the number of trials
    python benchmarks/service.py --help
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from growth import fill
from load import CALLS, KINDS, Call, Connection, Workers, cycle, percentile
from targets import Server, create_study, start

TARGETS = ("dodona", "floor", "floor-shared")
WARM_UP_SECONDS = 1.0
# Growth is measured by the cycle, not by the second, so that a study of 100 trials does not become one of thousands.
GROWTH_WARM_UP_CYCLES = 50
GROWTH_CYCLES = 500
SYNC_PROBES = 200
PACKAGES = ("dodona", "fastapi", "starlette", "pydantic", "sqlalchemy", "uvicorn", "uvloop", "httptools")


@dataclass(frozen=True, slots=True)
class Figures:
    """One run; latencies in milliseconds, the two percentiles by the kind of call.

    `trials` is what the study had before, for a growth run.
    """

    target: str
    workers: int
    trials: int | None
    repeat: int
    cycles_per_second: float
    cpu_milliseconds: float
    p50: dict[str, float]
    p99: dict[str, float]
    resident_megabytes: float
    start_seconds: float

    @property
    def cell(self) -> tuple[Any, ...]:
        """What equal runs have in common."""
        return (self.trials is not None, self.workers, self.trials, self.target)


def throughput(target: str, workers: int, repeat: int, options: argparse.Namespace, folder: Path) -> Figures:
    """A fresh server and study under load for some seconds, after one to warm up."""
    server = start(target, folder / f"{target}-{workers}-{repeat}", options.database_url)
    try:
        study = create_study(target, server.port)
        load = Workers(server.port, study, workers, WARM_UP_SECONDS + options.seconds)
        load.wait_until_connected()
        time.sleep(WARM_UP_SECONDS)
        began, cpu = time.monotonic(), server.cpu_seconds()
        time.sleep(options.seconds)
        cpu, ended = server.cpu_seconds() - cpu, time.monotonic()
        calls = [call for call in load.calls() if began < call.ended <= ended]
        return _figures(server, calls, ended - began, cpu, target=target, workers=workers, trials=None, repeat=repeat)
    finally:
        server.stop()


def growth(trials: int, repeat: int, options: argparse.Namespace, folder: Path) -> Figures:
    """A cold server and one worker on a study that has `trials` trials already."""
    where = folder / f"growth-{trials}-{repeat}"
    server = start("dodona", where, options.database_url)
    study = create_study("dodona", server.port)
    server.stop()
    fill(options.database_url or f"sqlite:///{where / 'dodona.db'}", study, trials)
    server = start("dodona", where, options.database_url)
    try:
        connection = Connection(server.port)
        _cycles(connection, study, GROWTH_WARM_UP_CYCLES)
        began, cpu = time.monotonic(), server.cpu_seconds()
        calls = _cycles(connection, study, GROWTH_CYCLES)
        cpu, ended = server.cpu_seconds() - cpu, time.monotonic()
        return _figures(server, calls, ended - began, cpu, target="dodona", workers=1, trials=trials, repeat=repeat)
    finally:
        server.stop()


def _cycles(connection: Connection, study: str, count: int) -> list[Call]:
    return [call for _ in range(count) for call in cycle(connection, study, "worker-0")]


def _figures(server: Server, calls: list[Call], seconds: float, cpu_seconds: float, **what: Any) -> Figures:
    cycles = len(calls) / CALLS
    return Figures(
        **what,
        cycles_per_second=cycles / seconds,
        cpu_milliseconds=1000 * cpu_seconds / cycles,
        p50={kind: percentile(calls, kind, 0.5) for kind in KINDS},
        p99={kind: percentile(calls, kind, 0.99) for kind in KINDS},
        resident_megabytes=server.resident_megabytes(),
        start_seconds=server.start_seconds,
    )


def measure(options: argparse.Namespace, folder: Path) -> list[Figures]:
    """All runs, the repeats of one cell as far apart as possible."""
    runs = []
    for repeat in range(options.repeats):
        # Every other time backwards, so that none always runs after the other.
        order = 1 if repeat % 2 == 0 else -1
        for workers in options.workers:
            for target in options.targets[::order]:
                runs.append(throughput(target, workers, repeat, options, folder))
                _tell(f"{target}, {workers} workers", runs[-1])
        for trials in options.growth[::order]:
            runs.append(growth(trials, repeat, options, folder))
            _tell(f"growth, {trials} trials", runs[-1])
    return runs


def _tell(what: str, run: Figures) -> None:
    print(
        f"{what}: {run.cycles_per_second:.0f} cycles/s, {run.cpu_milliseconds:.2f} ms of CPU a cycle",
        file=sys.stderr,
        flush=True,
    )


def grouped(runs: Iterable[Figures]) -> list[list[Figures]]:
    """The runs of each cell, in the order in which the cells first ran."""
    cells: dict[tuple[Any, ...], list[Figures]] = {}
    for run in runs:
        cells.setdefault(run.cell, []).append(run)
    return list(cells.values())


def times(cell: list[Figures], baseline: list[Figures] | None) -> str:
    """How many times the baseline's CPU time a cycle takes: the median of the ratios within each repeat.

    What else the machine does changes slowly, so two runs of one repeat are closer to each other than medians are.
    """
    if not baseline:
        return ""
    against = {run.repeat: run.cpu_milliseconds for run in baseline}
    return f"{statistics.median(run.cpu_milliseconds / against[run.repeat] for run in cell):.2f}"


def throughput_table(cells: Sequence[list[Figures]]) -> str:
    """The cells without growth, a row each."""
    floors = {cell[0].workers: cell for cell in cells if cell[0].target == "floor"}
    head = ["server", "workers", *_HEAD[:2], "x floor", *_HEAD[2:]]
    rows = []
    for cell in cells:
        first, (rate, cpu, *others) = cell[0], _row(cell)
        rows.append([first.target, str(first.workers), rate, cpu, times(cell, floors.get(first.workers)), *others])
    return _aligned(head, rows)


def growth_table(cells: Sequence[list[Figures]]) -> str:
    """The growth cells, a row each."""
    ordered = sorted(cells, key=lambda cell: cell[0].trials or 0)
    head = ["trials", *_HEAD[:2], "x first", *_HEAD[2:]]
    rows = []
    for cell in ordered:
        rate, cpu, *others = _row(cell)
        rows.append([str(cell[0].trials), rate, cpu, times(cell, ordered[0]), *others])
    return _aligned(head, rows)


_HEAD = ["cycles/s", "CPU ms/cycle", *(f"{kind} p50/p99 ms" for kind in KINDS), "RSS MB", "start s"]


def _row(cell: list[Figures]) -> list[str]:
    """The medians of the cell's runs, as `_HEAD` names them."""

    def median(figure: Callable[[Figures], float], digits: int) -> str:
        return f"{statistics.median(map(figure, cell)):.{digits}f}"

    def latency(kind: str) -> str:
        return f"{median(lambda run: run.p50[kind], 2)} / {median(lambda run: run.p99[kind], 2)}"

    return [
        median(lambda run: run.cycles_per_second, 0),
        median(lambda run: run.cpu_milliseconds, 2),
        *(latency(kind) for kind in KINDS),
        median(lambda run: run.resident_megabytes, 0),
        median(lambda run: run.start_seconds, 1),
    ]


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that also reads well as plain text."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [f"{'-' * (width - 1)}:" for width in widths]
    lines = [[cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in (head, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def sync_milliseconds(folder: Path) -> float:
    """The median time to bring 4 KiB to the disk that holds the databases."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(SYNC_PROBES):
            probe.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(probe.fileno())
            took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def environment(folder: Path) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "versions": {package: version(package) for package in PACKAGES},
        "fsync_milliseconds": round(sync_milliseconds(folder), 3),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 4, 16], help="one cell for each number")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time of a cell [10]")
    parser.add_argument("--repeats", type=int, default=3, help="runs of a cell; medians are shown [3]")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=["floor", "dodona"])
    parser.add_argument("--database-url", help="Dodona's database; a SQLite file in a temporary folder if not given")
    parser.add_argument(
        "--growth", type=int, nargs="+", default=[], metavar="N", help="also measure on studies of N trials"
    )
    parser.add_argument("--folder", type=Path, help="where temporary files go, since its disk counts [the system's]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run here")
    return parser.parse_args()


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="dodona-benchmark-", dir=options.folder) as temporary:
        folder = Path(temporary)
        conditions = environment(folder)
        runs = measure(options, folder)
    cells = grouped(runs)
    versions = ", ".join(f"{package} {number}" for package, number in conditions["versions"].items())
    print(
        f"\n{conditions['date']}, {conditions['cores']} cores of {conditions['processor']}, "
        f"one fsync {conditions['fsync_milliseconds']} ms\n"
        f"Python {conditions['python']}, SQLite {conditions['sqlite']}, {versions}"
    )
    if loaded := [cell for cell in cells if cell[0].trials is None]:
        print(f"\nMedians of {options.repeats} runs of {options.seconds:.0f} s\n\n{throughput_table(loaded)}")
    if grown := [cell for cell in cells if cell[0].trials is not None]:
        print(
            f"\nGrowth: medians of {options.repeats} runs of {GROWTH_CYCLES} cycles, 1 worker\n\n{growth_table(grown)}"
        )
    if options.json:
        options.json.write_text(json.dumps({"conditions": conditions, "runs": [asdict(run) for run in runs]}, indent=1))


if __name__ == "__main__":
    main()
