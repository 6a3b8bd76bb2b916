"""The tables of docs/scaling.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dodona_server.storage.engine.postgres import READER_CONNECTIONS, WRITER_CONNECTIONS
from markdown_tables import aligned, placed
from scale.scenarios import COMFORTABLE, month

Row = dict[str, Any]
# The fleet whose calls the arithmetic takes.
FLEET = 10_000
NAMES = {"dodona-sqlite": "SQLite", "dodona-postgres": "PostgreSQL"}


def page(text: str, measured: Mapping[str, Any], simulated: Mapping[str, Any]) -> str:
    """Return the page with all tables in their places.

    Raises:
        ValueError: the page has no place for a table.
    """
    tables = {
        "machine": machine(measured["conditions"]),
        "throughput": throughput(measured["throughput"]),
        "calls": calls(measured["calls"]),
        "fitting": fitting(measured["fitting"]),
        "arithmetic": arithmetic(measured["calls"], simulated["loads"]),
        "sleepers": sleepers(measured["sleepers"]),
        "check": check(simulated["check"][0], measured["sleepers"]),
        "loads": loads(simulated["loads"]),
        "large": loads(simulated["large"]),
        "outages": outages(simulated["outages"]),
        "month": of_month(simulated["loads"], measured),
    }
    return placed(text, tables)


def machine(conditions: Mapping[str, Any]) -> str:
    """Return the conditions of the measurement."""
    postgres = (conditions["postgres"] or {}).get("server_version", "none")
    load = conditions["load_average"][0]
    return (
        f"{conditions['cores']} cores ({conditions['processor']}), {conditions['date']}, load average before "
        f"{load:.1f}, fsync {conditions['fsync_milliseconds']:g} ms. Python {conditions['python']}, "
        f"SQLite {conditions['sqlite']}, PostgreSQL {postgres}."
    )


def throughput(rows: Sequence[Row]) -> str:
    """Return the table of cycles per second and their cost."""
    head = ["database", "servers", "studies", "cycles/s", "CPU: servers", "database", "calls a transaction"]
    head += ["ask p50 / p99", "report p50 / p99", "complete p50 / p99"]
    return aligned(
        head,
        [
            [
                NAMES[row["target"]],
                str(row["servers"]),
                str(row["studies"]),
                f"{row['cycles_per_second']:.0f}",
                f"{row['server']:.2f}",
                f"{row['database']:.2f}",
                f"{row['batch']:.1f}",
                *(f"{row['p50'][kind]:.1f} / {row['p99'][kind]:.1f}" for kind in ("ask", "report", "complete")),
            ]
            for row in rows
        ],
    )


def calls(rows: Sequence[Row]) -> str:
    """Return the table of each kind of call, alone and together with others."""
    head = ["database", "call", "at once", "calls/s", "CPU: server", "database", "transaction", "calls a transaction"]
    head += ["log, bytes"]
    return aligned(
        head,
        [
            [
                NAMES[row["target"]],
                row["kind"],
                str(row["callers"]),
                f"{row['calls_per_second']:.0f}",
                f"{row['server']:.2f}",
                f"{row['database']:.2f}",
                f"{row['transaction']:.2f}",
                f"{row['batch']:.1f}",
                f"{row['wal']:.0f}" if row["wal"] else "–",
            ]
            for row in rows
        ],
    )


def fitting(rows: Sequence[Row]) -> str:
    """Return the table of the default algorithm's suggestions."""
    return aligned(
        ["trials", "CPU a suggestion, ms", "median ask, ms"],
        [[str(row["trials"]), f"{row['server']:.0f}", f"{row['ask']:.0f}"] for row in rows],
    )


def sleepers(rows: Sequence[Row]) -> str:
    """Return the table of one study with many sleeping workers."""
    head = ["database", "workers", "calls/s", "ask p50 / p99", "report p50 / p99", "CPU: server", "database"]
    head += ["clients", "server, MB idle", "under load", "leases lost"]
    return aligned(
        head,
        [
            [
                NAMES[row["target"]],
                str(row["workers"]),
                f"{_calls_a_second(row):.0f}",
                *(f"{row[kind]['p50']:.1f} / {row[kind]['p99']:.1f}" for kind in ("ask", "report")),
                *(f"{row[part]:.1%}" for part in ("server", "database", "clients")),
                f"{row['idle_megabytes']:.0f}",
                f"{row['megabytes']:.0f}",
                f"{row['expired']:.0f}",
            ]
            for row in rows
        ],
    )


def _calls_a_second(row: Row) -> float:
    return float(row["heartbeats"] + sum(row[kind]["a_second"] for kind in ("ask", "report", "complete")))


def check(simulated: Row, measured: Sequence[Row]) -> str:
    """Return the table that compares the simulation with the run that it should predict."""
    real = next(row for row in measured if row["target"] == "dodona-postgres")
    shares = {"server": simulated["server"], "database": simulated["database"] * simulated["cores"]}
    rows = [
        ["calls/s", f"{_calls_a_second(real):.0f}", f"{sum(simulated['calls'].values()):.0f}"],
        *(
            [f"of which {kind}", f"{real[kind]['a_second']:.0f}", f"{simulated['calls'][kind]:.0f}"]
            for kind in ("ask", "report", "complete")
        ),
        ["of which heartbeat", f"{real['heartbeats']:.0f}", f"{simulated['calls']['heartbeat']:.0f}"],
        *([f"CPU of the {part}, % of a core", f"{real[part]:.1%}", f"{shares[part]:.1%}"] for part in shares),
        *(
            [f"ask, {name}, ms", f"{real['ask'][name]:.1f}", f"{simulated['wait'][index]:.1f}"]
            for index, name in enumerate(("p50", "p99"))
        ),
    ]
    return aligned(["1,000 sleeping workers on PostgreSQL", "measured", "simulated"], rows)


def loads(rows: Sequence[Row]) -> str:
    """Return the table of fleets by their size."""
    head = ["workers", "servers", "calls/s", "asks/s", "ask p50 / p99, ms", "busiest server", "database"]
    head += ["busiest lock", "fullest", "workers a server", "connections of PostgreSQL"]
    table = []
    for row in rows:
        waits = "the queue grows" if overloaded(row) else f"{row['wait'][0]:.1f} / {row['wait'][1]:.1f}"
        shares = {"a server": row["server"], "the database": row["database"], "a lock": row["lock"]}
        table.append(
            [
                grouped(row["workers"]),
                str(row["servers"]),
                grouped(sum(row["calls"].values())),
                grouped(row["calls"]["ask"]),
                waits,
                *(f"{share:.0%}" for share in shares.values()),
                max(shares, key=lambda name: float(shares[name])),
                grouped(row["workers"] / row["servers"]),
                grouped(row["servers"] * (WRITER_CONNECTIONS + READER_CONNECTIONS)),
            ]
        )
    return aligned(head, table)


def grouped(number: float) -> str:
    """Return a whole number with its thousands grouped."""
    return f"{number:,.0f}"


def arithmetic(rows: Sequence[Row], simulated: Sequence[Row]) -> str:
    """Return the table of the workers that a core serves, at 60 %, with the calls of the simulated fleet."""
    fleet = next(row for row in simulated if row["workers"] == FLEET)
    head = ["database", "calls/s of a worker", "CPU of a call: server", "database", "workers a server process"]
    head += ["workers a core of the database"]
    table = []
    total = sum(fleet["calls"].values())
    for target, name in NAMES.items():
        alone = {row["kind"]: row for row in rows if row["target"] == target and not row["together"]}
        cost = {
            part: sum(rate * alone[kind][part] for kind, rate in fleet["calls"].items()) / total
            for part in ("server", "database")
        }
        reach = [COMFORTABLE * 1000 / part * fleet["workers"] / total if part else 0.0 for part in cost.values()]
        table.append(
            [
                name,
                f"{total / fleet['workers']:.3f}",
                *(f"{part:.2f}" for part in cost.values()),
                *(grouped(round(workers, -2)) if workers else "–" for workers in reach),
            ]
        )
    return aligned(head, table)


def overloaded(row: Row) -> bool:
    """Return whether more calls arrive than are answered: those of a second and more are waiting."""
    return bool(row["unanswered"] > sum(row["calls"].values()))


def outages(rows: Sequence[Row]) -> str:
    """Return the table of outages."""
    head = ["away", "s", "leases expired", "back to their worker", "lost to another"]
    head += ["between trials p50 / p99 / longest, s", "time not in training"]
    return aligned(
        head,
        [
            [
                row["away"],
                f"{row['seconds']:.0f}",
                *(str(row[count]) for count in ("expired", "regained", "lost")),
                " / ".join(f"{value / 1000:.2f}" for value in row["gap"]),
                f"{1 - row['shares'][0]:.2%}",
            ]
            for row in rows
        ],
    )


def of_month(rows: Sequence[Row], measured: Mapping[str, Any]) -> str:
    """Return the table of the database's growth, of the first and the best supplied row of 10 000 workers."""
    wal = {
        row["kind"]: row["wal"]
        for row in measured["calls"]
        if row["target"] == "dodona-postgres" and not row["together"]
    }
    chosen = {row["workers"]: row for row in rows if row["workers"] <= 10_000}
    months = {workers: month(row, measured["rows"], wal) for workers, row in chosen.items()}
    head = ["", "bytes a row", *(f"{workers} workers" for workers in months)]
    table = [
        [
            table,
            f"{size:.0f}",
            *(
                f"{found['rows'][table] / 1e6:.1f} million, {found['gigabytes'][table]:.1f} GB"
                for found in months.values()
            ),
        ]
        for table, size in measured["rows"].items()
    ]
    table.append(["all", "", *(f"{found['total']:.0f} GB" for found in months.values())])
    table.append(["log a day", "", *(f"{found['log_a_day']:.1f} GB" for found in months.values())])
    return aligned(head, table)
