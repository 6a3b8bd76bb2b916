"""Measure how far one machine reaches, and simulate fleets that no machine here could hold.

    python benchmarks/scaling.py measure     the loop on 1, 2, 4 servers, each kind of call, 1000 sleeping workers
    python benchmarks/scaling.py simulate    fleets in simulated time, with the measured costs
    python benchmarks/scaling.py page        the tables of docs/scaling.md
    python benchmarks/scaling.py all         all three: six minutes on two quiet cores

`measure` uses all cores for servers, database and load together. The results are in `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import Postgres
from scale.calls import measure_calls, measure_fitting, measure_rows
from scale.figures import page
from scale.scenarios import simulated
from scale.sleepers import measure_sleepers
from scale.throughput import measure_throughput
from service import conditions
from targets import Machine

HERE = Path(__file__).parent
MEASURED = HERE / "results" / "scaling_measured.json"
SIMULATED = HERE / "results" / "scaling_simulated.json"
PAGE = HERE.parent / "docs" / "scaling.md"
TARGETS = ("dodona-sqlite", "dodona-postgres")
SERVERS = ((TARGETS[0], 1), *((TARGETS[1], servers) for servers in (1, 2, 4)))
# Callers at once in the measurement of calls that share transactions.
TOGETHER = 32


def measure(options: Namespace) -> None:
    """Measure everything on this machine, and write the results."""
    postgres = Postgres(None, options.folder)
    machine = Machine(None, None, sys.executable, postgres)
    try:
        with tempfile.TemporaryDirectory(prefix="dodona-scaling-", dir=options.folder) as temporary:
            folder = Path(temporary)
            results: dict[str, Any] = {"conditions": conditions(_conditions(options), machine, folder)}
            results["calls"] = [
                row
                for target in TARGETS
                for row in _say(measure_calls, target, machine, folder, options.calls, TOGETHER)
            ]
            results["throughput"] = [
                row
                for target, servers in SERVERS
                for row in _say(measure_throughput, target, servers, options.seconds, machine, folder)
            ]
            results["sleepers"] = [
                _say(measure_sleepers, target, options.sleepers, 4 * options.seconds, machine, folder)
                for target in TARGETS
            ]
            results["fitting"] = _say(measure_fitting, machine, folder)
            results["rows"] = _say(measure_rows, machine, folder, options.trials)
    finally:
        postgres.close()
    _write(options.measured, results)


def _conditions(options: Namespace) -> Namespace:
    return Namespace(seconds=options.seconds, server_core=None, load_core=None)


def _say(what: Callable[..., Any], *arguments: Any) -> Any:
    began = time.monotonic()
    found = what(*arguments)
    numbers = [argument for argument in arguments if isinstance(argument, (str, int, float))]
    print(f"{what.__name__} {numbers}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def simulate(options: Namespace) -> None:
    """Simulate all scenarios with the measured costs, and write the results."""
    _write(options.simulated, simulated(json.loads(options.measured.read_text()), lambda row: print(row, flush=True)))


def _write(path: Path, results: Any) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n")


def fill_page(options: Namespace) -> None:
    """Write the tables into the page."""
    kept = (json.loads(path.read_text()) for path in (options.measured, options.simulated))
    options.page.write_text(page(options.page.read_text(), *kept))


STEPS = {"measure": (measure,), "simulate": (simulate,), "page": (fill_page,), "all": (measure, simulate, fill_page)}


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument(
        "--seconds",
        type=float,
        default=6.0,
        help="of a row of the throughput [6]; four times as many for the sleeping workers",
    )
    parser.add_argument("--calls", type=int, default=960, help="of each kind [960]")
    parser.add_argument("--sleepers", type=int, default=1000, help="sleeping workers [1000]")
    parser.add_argument("--trials", type=int, default=20_000, help="that fill a database to measure rows [20000]")
    parser.add_argument("--folder", type=Path, help="where temporary files go, since its disk counts [the system's]")
    parser.add_argument("--measured", type=Path, default=MEASURED, metavar="FILE", help="the results of `measure`")
    parser.add_argument("--simulated", type=Path, default=SIMULATED, metavar="FILE", help="those of `simulate`")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="docs/scaling.md")
    options = parser.parse_args()
    for step in STEPS[options.step]:
        step(options)


if __name__ == "__main__":
    main()
