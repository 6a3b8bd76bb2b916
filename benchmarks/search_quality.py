"""Measure how well our algorithms and their peers search, on the same problems with the same seeds and budgets.

    python benchmarks/search_quality.py run --peers GP_BANDIT,optuna_tpe --seeds 10 --budget 50 runs.jsonl
    python benchmarks/search_quality.py report runs.jsonl --json results.json --pictures docs/images
    python benchmarks/search_quality.py pairs runs.jsonl --baseline GP_BANDIT --mark 50
    python benchmarks/search_quality.py run --through-server --seeds 5 --pending 8 --suggestions 2,20,200 served.jsonl
    python benchmarks/search_quality.py compare served.jsonl
    python benchmarks/search_quality.py busy --workers 8 --seconds 1 --budget 240

With --through-server each study runs twice: through a real server with workers in real time, and with the algorithm
called directly and the same running trials. `compare` prints the difference. `pairs` prints the difference of each peer
from the baseline, over the same problems and seeds.

It needs the extra `bench`. A run continues where an earlier one stopped. Set OMP_NUM_THREADS=1 for one core each.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from markdown_tables import aligned
from quality import paired, peers, problems, report, runs, served, through_server

SUITES = ("quick", "full", "held-out", "large")


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.command == "run" and arguments.through_server:
        measure_through_server(arguments)
    elif arguments.command == "run":
        measure(arguments)
    elif arguments.command == "busy":
        print_busy(arguments)
    elif arguments.command == "compare":
        served.compare(_records(arguments.runs))
    elif arguments.command == "pairs":
        print_pairs(arguments)
    else:
        report.write(_records(arguments.runs), arguments.json, arguments.pictures)


def measure(arguments: argparse.Namespace) -> None:
    """Run what the file lacks, seed by seed, so that peers have equal numbers of runs whenever it is stopped."""
    path: Path = arguments.runs
    lines = path.read_text().splitlines() if path.exists() else []
    done = {_key(json.loads(line)) for line in lines}
    makers = _makers(arguments)
    end = time.monotonic() + arguments.minutes * 60
    made = functools.cache(lambda name: makers[name]())
    baseline = functools.cache(lambda name: runs.baseline(made(name), arguments.budget))
    with path.open("a") as file:
        names = arguments.peers.split(",")
        for seed, name, peer in itertools.product(range(arguments.seeds), makers, names):
            record = {"peer": peer, "problem": name, "pending": arguments.pending, "seed": seed}
            if (*record.values(), arguments.budget) in done:
                continue
            if time.monotonic() > end:
                return
            problem = made(name)
            make = functools.partial(peers.make, peer, problem.space, seed, arguments.budget)
            try:
                trace, cost = runs.run(problem, make, seed, arguments.budget, arguments.pending)
            except Exception as error:  # noqa: BLE001 - a peer's failure is a result, and the others go on
                print(f"{peer} on {name}, seed {seed}: {error!r}", flush=True)
                continue
            record |= {
                "budget": arguments.budget,
                "group": problem.group,
                "best": problem.best,
                "baseline": baseline(name),
                "trace": trace,
                "seconds": round(cost, 5),
                "machine": platform.machine(),
            }
            file.write(json.dumps(record) + "\n")
            file.flush()


def measure_through_server(arguments: argparse.Namespace) -> None:
    """Run the pairs that the file lacks, several studies at once on one server."""
    path: Path = arguments.runs
    lines = path.read_text().splitlines() if path.exists() else []
    done = {_pair(json.loads(line)) for line in lines}
    makers = _makers(arguments)
    made = functools.cache(lambda name: makers[name]())
    baseline = functools.cache(lambda name: runs.baseline(made(name), arguments.budget))
    pairs = [
        (name, through_server.Course(seed, arguments.budget, arguments.pending, float(suggestions)))
        for seed in range(arguments.seeds)
        for suggestions in arguments.suggestions.split(",")
        for name in makers
    ]
    end = time.monotonic() + arguments.minutes * 60
    with tempfile.TemporaryDirectory() as folder, through_server.server(Path(folder), sys.executable) as port:

        def measure_pair(pair: tuple[str, through_server.Course]) -> dict[str, Any] | None:
            name, course = pair
            record = {"problem": name, "pending": course.workers, "suggestions": course.suggestions}
            record |= {"seed": course.seed, "budget": course.budget, "algorithm": arguments.peers}
            if _pair(record) in done or time.monotonic() > end:
                return None
            with one_at_a_time:
                # Creating some problems changes the working folder.
                problem = made(name)
                trace, cost = through_server.directly(problem, arguments.peers, course)
            found = through_server.through_server(problem, arguments.peers, course, port, cost * course.suggestions)
            record |= {"group": problem.group, "best": problem.best, "baseline": baseline(name), "direct": trace}
            return record | {"seconds": round(cost, 5), **dataclasses.asdict(found), "machine": platform.machine()}

        one_at_a_time = threading.Lock()
        with path.open("a") as file, ThreadPoolExecutor(arguments.parallel) as threads:
            for record in threads.map(measure_pair, pairs):
                if record is not None:
                    file.write(json.dumps(record) + "\n")
                    file.flush()


def print_busy(arguments: argparse.Namespace) -> None:
    """Print the share of the workers' time that goes into trials of the first problem of that name."""
    problem = next(make() for name, make in problems.suite("quick").items() if arguments.only in name)
    course = through_server.Course(0, arguments.budget, arguments.workers, 0.0)
    with tempfile.TemporaryDirectory() as folder, through_server.server(Path(folder), sys.executable) as port:
        found = through_server.through_server(problem, "GP_BANDIT", course, port, arguments.seconds)
    print(f"{arguments.workers} workers, {arguments.budget} trials of {arguments.seconds:g} s: {found.busy:.1%} busy,")
    print(f"{1000 * found.waited:.0f} ms waited a call, {found.missed} results missed, {found.sources}")


def print_pairs(arguments: argparse.Namespace) -> None:
    """Print the difference of each peer from the baseline."""
    names = set(_makers(arguments))
    records = [one for one in _records(arguments.runs) if one["problem"] in names]
    head = ["peer", "pending", "problems", "seeds", "difference of log10 regret", "95 % interval"]
    rows = [
        [
            one.peer,
            str(one.pending),
            str(one.problems),
            str(one.seeds),
            f"{one.mean:+.2f}",
            f"{one.low:+.2f} to {one.high:+.2f}",
        ]
        for one in paired.compare(records, arguments.baseline, arguments.mark)
    ]
    print(aligned(head, rows))


def _records(paths: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def _pair(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("algorithm", "problem", "pending", "suggestions", "seed", "budget"))


def _makers(arguments: argparse.Namespace) -> dict[str, Callable[[], problems.Problem]]:
    return {
        name: make
        for name, make in problems.suite(arguments.suite).items()
        if not arguments.only or any(part in name for part in arguments.only.split(","))
    }


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return record["peer"], record["problem"], record["pending"], record["seed"], record["budget"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("runs", type=Path)
    run.add_argument("--peers", default=",".join(peers.NAMES))
    run.add_argument("--suite", choices=SUITES, default="quick")
    run.add_argument("--only", default="", help="parts of problems' names, with commas")
    run.add_argument("--seeds", type=int, default=10)
    run.add_argument("--budget", type=int, default=50)
    run.add_argument("--pending", type=int, default=1)
    run.add_argument("--minutes", type=float, default=1e9)
    run.add_argument("--through-server", action="store_true", help="--peers is then the one algorithm, GP_BANDIT")
    run.add_argument("--suggestions", default="20", help="how many suggestions a mean trial lasts, with commas")
    run.add_argument("--parallel", type=int, default=4, help="studies at a time through the server")
    show = commands.add_parser("report")
    show.add_argument("runs", type=Path, nargs="+")
    show.add_argument("--json", type=Path)
    show.add_argument("--pictures", type=Path)
    busy = commands.add_parser("busy")
    busy.add_argument("--workers", type=int, default=8)
    busy.add_argument("--seconds", type=float, default=1.0, help="how long a trial lasts on average")
    busy.add_argument("--budget", type=int, default=240)
    busy.add_argument("--only", default="noisy branin")
    compare = commands.add_parser("compare")
    compare.add_argument("runs", type=Path, nargs="+")
    pairs = commands.add_parser("pairs")
    pairs.add_argument("runs", type=Path, nargs="+")
    pairs.add_argument("--baseline", default="GP_BANDIT", help="the peer that the others are compared with")
    pairs.add_argument("--mark", type=int, default=50, help="the number of trials")
    pairs.add_argument("--suite", choices=SUITES, default="quick")
    pairs.add_argument("--only", default="", help="parts of problems' names, with commas")
    return parser


if __name__ == "__main__":
    main()
