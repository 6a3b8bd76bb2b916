"""Measure the cost of the Keras client: the overhead per trial against plain KerasTuner, and how busy workers are.

KerasTuner's search and ours run in one process in turn, with a training that does nothing; ours uses its own server on
another core. The CPU time is this process's, without the server's. It hardly depends on other load of the machine; the
elapsed time does. Then eight workers sleep a second per trial; the figure is the share of their time that they sleep.

    python benchmarks/client.py
    python benchmarks/client.py --trials 10 --repeats 1 --workers 2      a quick look
    python benchmarks/client.py --help
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markdown_tables import aligned
from processes import Server, environment, pinned, processor

KINDS = ("bare", "keras-tuner", "keras-tuner-frozen", "dodona")
ALGORITHMS = ("random_search", "gp_bandit")
PACKAGES = ("dodona", "keras", "keras-tuner", "numpy")
SERVES = r"listening on http://\S+:\d+[\s\S]*startup complete"

Cost = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Busy:
    """The share of their time that some workers trained."""

    algorithm: str
    workers: int
    repeat: int
    trials: int
    share: float
    lowest: float
    load_average: float


@dataclass(slots=True)
class Results:
    """All runs of one call of the benchmark, and the conditions."""

    conditions: dict[str, Any]
    costs: list[Cost] = field(default_factory=list)
    busy: list[Busy] = field(default_factory=list)

    def report(self) -> str:
        """Return the conditions and all tables, as Markdown."""
        parts = [json.dumps(self.conditions, indent=1)]
        if self.costs:
            parts += ["A trial beyond its training, in ms: medians", cost_table(self.costs)]
            parts += ["An epoch's report, in ms: what ten epochs cost more than one, a ninth", epoch_table(self.costs)]
        if self.busy:
            parts += ["Workers that sleep a second a trial: the share of their time that they sleep"]
            parts += [busy_table(self.busy)]
        return "\n\n".join(parts)


def cost_table(costs: Sequence[Cost]) -> str:
    """Return a row for each number of epochs and kind; "x keras-tuner" is the median ratio over the repeats."""
    rows = []
    for epochs, saves in sorted({(cost["epochs"], cost["saves"]) for cost in costs}):
        for kind in KINDS[1:]:
            shown = [
                text
                for figure in ("cpu", "wall")
                for text in (
                    f"{statistics.median(_beyond(costs, kind, epochs, saves, figure)):.1f}",
                    f"{_ratio(costs, kind, epochs, saves, figure):.2f}",
                )
            ]
            load = statistics.median(cost["load_average"] for cost in costs if cost["kind"] == kind)
            rows.append([str(epochs), "each" if saves else "the first", kind, *shown, f"{load:.1f}"])
    return aligned(["epochs", "saved", "tuner", "CPU", "x keras-tuner", "clock", "x keras-tuner", "load"], rows)


def epoch_table(costs: Sequence[Cost]) -> str:
    """Return a row for each kind, for the trials that save only the first epoch."""
    few, many = (pick(cost["epochs"] for cost in costs) for pick in (min, max))
    rows = []
    for kind in KINDS[1:]:
        shown = []
        for figure in ("cpu", "wall"):
            less, more = (_beyond(costs, kind, epochs, False, figure) for epochs in (few, many))
            shown.append(f"{(statistics.median(more) - statistics.median(less)) / max(1, many - few):.2f}")
        rows.append([kind, *shown])
    return aligned(["tuner", "CPU", "clock"], rows)


def busy_table(runs: Sequence[Busy]) -> str:
    """Return a row for each run."""
    rows = []
    for run in runs:
        shares = [f"{share:.1%}" for share in (run.share, run.lowest)]
        rows.append([run.algorithm, str(run.workers), str(run.trials), *shares, f"{run.load_average:.1f}"])
    return aligned(["algorithm", "workers", "trials", "all", "the least busy one", "load"], rows)


def _beyond(costs: Sequence[Cost], kind: str, epochs: int, saves: bool, figure: str) -> list[float]:
    """Return the figure of each repeat, less that of the bare training."""
    cell = [cost for cost in costs if (cost["epochs"], cost["saves"]) == (epochs, saves)]
    bare = {cost["repeat"]: cost[figure] for cost in cell if cost["kind"] == "bare"}
    return [cost[figure] - bare[cost["repeat"]] for cost in cell if cost["kind"] == kind]


def _ratio(costs: Sequence[Cost], kind: str, epochs: int, saves: bool, figure: str) -> float:
    ours, theirs = (_beyond(costs, name, epochs, saves, figure) for name in (kind, "keras-tuner"))
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def measured_costs(server: Server, folder: Path, options: argparse.Namespace) -> list[Cost]:
    """Return the results of `keras_trials`."""
    command = [sys.executable, "-m", "keras_trials", f"http://127.0.0.1:{server.port}", str(folder / "trials")]
    command += [f"--trials={options.trials}", f"--repeats={options.repeats}"]
    with pinned(options.load_core), (folder / "trials.log").open("w") as log:
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    found = []
    for line in process.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        found.append(json.loads(line))
    if process.wait():
        raise RuntimeError((folder / "trials.log").read_text()[-4000:])
    return found


def measured_busy(server: Server, folder: Path, options: argparse.Namespace, algorithm: str, repeat: int) -> Busy:
    """Return the results of workers that start together."""
    trials = options.workers * options.sleeps
    arguments = [f"http://127.0.0.1:{server.port}", f"{algorithm}-{repeat}", algorithm, str(trials), "1.0"]
    with ExitStack() as stack:
        log = stack.enter_context((folder / "sleepers.log").open("a"))
        crew = [
            subprocess.Popen(
                [sys.executable, "-m", "keras_sleepers", *arguments],
                env=environment(),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            for _ in range(options.workers)
        ]
        for worker in crew:
            stack.callback(worker.kill)
        for worker in crew:
            _line(worker, folder / "sleepers.log")
        for worker in crew:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        took = [json.loads(_line(worker, folder / "sleepers.log")) for worker in crew]
    shares = [slept / spent for slept, spent in took if spent]
    return Busy(
        algorithm,
        options.workers,
        repeat,
        trials,
        sum(slept for slept, _ in took) / sum(spent for _, spent in took),
        min(shares),
        round(os.getloadavg()[0], 2),
    )


def _line(worker: subprocess.Popen[str], log: Path) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker failed:\n{log.read_text()[-4000:]}")
    return line


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="of a search whose cost is measured [20]")
    parser.add_argument("--repeats", type=int, default=5, help="of each search; medians are shown [5]")
    parser.add_argument("--workers", type=int, default=8, help="that sleep; 0 for none [8]")
    parser.add_argument("--sleeps", type=int, default=30, help="trials of a second for each worker [30]")
    parser.add_argument("--rounds", type=int, default=2, help="of the workers that sleep, with each algorithm [2]")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    parser.add_argument("--server-core", type=int, default=cores[0], help="for the server [the first]")
    parser.add_argument("--load-core", type=int, default=cores[-1], help="for the searches [the last]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run here")
    parser.add_argument("--show", type=Path, metavar="FILE", help="only print what --json wrote")
    return parser.parse_args()


def main() -> None:
    options = _options()
    if options.show:
        kept = json.loads(options.show.read_text())
        print(Results(kept["conditions"], kept["costs"], [Busy(**run) for run in kept["busy"]]).report())
        return
    results = Results(
        {
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "cores": os.cpu_count(),
            "processor": processor(),
            "load_average": os.getloadavg(),
            "python": platform.python_version(),
            "versions": {package: version(package) for package in PACKAGES},
            "trials": options.trials,
            "repeats": options.repeats,
        }
    )
    with tempfile.TemporaryDirectory(prefix="dodona-benchmark-") as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "dodona_server", "serve", "--port={port}"]
        server = Server(command, folder / "server", options.server_core, SERVES)
        try:
            if options.repeats:
                results.costs = measured_costs(server, folder, options)
            for repeat in range(options.rounds if options.workers else 0):
                for algorithm in ALGORITHMS:
                    results.busy.append(measured_busy(server, folder, options, algorithm, repeat))
                    print(results.busy[-1], file=sys.stderr, flush=True)
        finally:
            server.stop()
    print(results.report())
    if options.json:
        options.json.write_text(json.dumps(asdict(results), indent=1) + "\n")


if __name__ == "__main__":
    main()
