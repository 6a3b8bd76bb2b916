"""What is simulated: fleets of growing size, one large study, outages, and the real run with sleeping workers.

The database has 8 cores, each as fast as one of the measuring machine's; a server process has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from scale.costs import Costs, costs_of
from scale.fleet import Study, fleet
from scale.leases import LEASE_SECONDS
from scale.simulation import Fault, Simulation
from scale.sleepers import MEDIAN_SECONDS, REPORT_SECONDS, SIGMA

CORES = 8
SEED = 21
# Servers are added until each is asked for this share of its time.
COMFORTABLE = 0.6
OUTAGE_WORKERS, OUTAGE_STUDIES, OUTAGE_SERVERS = 10_000, 100, 4
# A fault begins after this time of the run.
FAULT_AT = 20.0

Row = dict[str, Any]
Report = Callable[[Row], None]


def simulated(measured: Mapping[str, Any], report: Report) -> dict[str, list[Row]]:
    """Return the rows of all tables.

    Args:
        measured: what `scaling.py measure` wrote.
        report: called with each row.
    """
    costs = costs_of([row for row in measured["calls"] if row["target"] == "dodona-postgres"])
    tables: dict[str, Iterator[Row]] = {
        "loads": loads(costs),
        "large": large_studies(costs),
        "outages": outages(costs),
        "check": check(costs, measured),
    }
    found: dict[str, list[Row]] = {}
    for name, rows in tables.items():
        found[name] = []
        for row in rows:
            report(row)
            found[name].append(row)
    return found


def loads(costs: Costs) -> Iterator[Row]:
    """Yield the rows of fleets of growing size, with few servers and with as many as they need."""
    yield load_of(costs, fleet(1000, 10), 1, (10, 300))
    one = load_of(costs, fleet(10_000, 100), 1, (10, 100))
    yield one
    needed = [math.ceil(one["server"] / COMFORTABLE * factor) for factor in (1, 10, 100)]
    yield load_of(costs, fleet(10_000, 100), needed[0], (10, 100))
    for servers in needed[:2]:
        yield load_of(costs, fleet(100_000, 1000), servers, (5, 10))
    yield load_of(costs, fleet(1_000_000, 10_000), needed[2], (1, 3))


def large_studies(costs: Costs) -> Iterator[Row]:
    """Yield the rows of a single study with trials of a minute, whose lock all its workers share."""
    for workers, servers in ((1000, 1), (10_000, 4), (30_000, 12), (100_000, 40)):
        yield load_of(costs, [Study(workers, 60.0, 10)], servers, (5, 20))


def load_of(costs: Costs, studies: list[Study], servers: int, seconds: tuple[float, float]) -> Row:
    """Return the outcome of a run with a warm-up and a measured time of so many seconds."""
    workers = sum(study.workers for study in studies)
    outcome = Simulation(studies, costs, servers=servers, cores=CORES, seed=SEED).run(*seconds)
    scale = {"workers": workers, "studies": len(studies), "servers": servers, "seconds": seconds[1], "cores": CORES}
    return {**scale, **asdict(outcome)}


def outages(costs: Costs) -> Iterator[Row]:
    """Yield the rows of the same fleet with servers or the database away for a while."""
    faults = {
        "one of the servers": [(30.0, 1)],
        "all servers": [(seconds, OUTAGE_SERVERS) for seconds in (30.0, 45.0, 60.0)],
        "the database": [(seconds, 0) for seconds in (30.0, 45.0, 60.0, 300.0)],
    }
    studies = fleet(OUTAGE_WORKERS, OUTAGE_STUDIES)
    for what, kinds in faults.items():
        for away, servers in kinds:
            fault = Fault(FAULT_AT, away, servers)
            simulation = Simulation(studies, costs, servers=OUTAGE_SERVERS, cores=CORES, seed=SEED, faults=[fault])
            # Until two leases after the end.
            outcome = simulation.run(FAULT_AT / 2, FAULT_AT / 2 + away + 2 * LEASE_SECONDS)
            yield {"away": what, "seconds": away, "workers": OUTAGE_WORKERS, **asdict(outcome)}


def check(costs: Costs, measured: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the row of the fleet that `scale.sleepers` measured on PostgreSQL, half of which reports often."""
    real = next(row for row in measured["sleepers"] if row["target"] == "dodona-postgres")
    half = real["workers"] // 2
    reports = int(MEDIAN_SECONDS / REPORT_SECONDS)
    studies = [
        Study(half, MEDIAN_SECONDS, reports, SIGMA),
        Study(real["workers"] - half, MEDIAN_SECONDS, 1, SIGMA),
    ]
    yield load_of(costs, studies, 1, (20, real["seconds"]))


def month(row: Row, bytes_a_row: Mapping[str, float], wal: Mapping[str, float]) -> Row:
    """Return the rows and gigabytes that a load adds to the database in 30 days, and its write-ahead log a day.

    Each trial has two events. Operations and requests are deleted after a day.

    Args:
        row: of `loads`.
        bytes_a_row: by table.
        wal: bytes of the log a call, by kind.
    """
    day = 24 * 3600
    calls = row["calls"]
    rows = {
        "trials": 30 * day * calls["complete"],
        "measurements": 30 * day * calls["report"],
        "events": 30 * day * 2 * calls["complete"],
        "operations": day * calls["ask"],
        "requests": day * calls["ask"],
    }
    sizes = {table: count * bytes_a_row[table] / 1e9 for table, count in rows.items()}
    log = day * sum(rate * wal[kind] for kind, rate in calls.items()) / 1e9
    return {"rows": rows, "gigabytes": sizes, "total": sum(sizes.values()), "log_a_day": log}
