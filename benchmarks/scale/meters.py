"""What servers and their database have used between two moments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing

import psycopg

from load import Connection
from processes import cpu_seconds
from targets import Running

# What is read of the servers' metrics.
_COUNTED = {
    name: re.compile(rf"^{line} (\S+)$", re.MULTILINE)
    for name, line in {
        "transactions": r'dodona_database_transaction_seconds_count\{kind="write"\}',
        "transaction_seconds": r'dodona_database_transaction_seconds_sum\{kind="write"\}',
        "jobs": r'dodona_database_wait_seconds_count\{kind="write"\}',
        "expired": r"dodona_leases_expired_total",
        "heartbeats": r"http_server_request_duration_seconds_count\{.*:heartbeat.*\}",
    }.items()
}


class Usage:
    """What some servers on one database have used since this was created.

    Args:
        running: the servers; all of one database.
    """

    def __init__(self, running: Sequence[Running]) -> None:
        self._running = running
        self._postgres = running[0].machine.postgres if running[0].target.postgres else None
        self._before = self._read()

    def _read(self) -> dict[str, float]:
        servers = [one.server for one in self._running if one.server]
        found = {
            "server": sum(cpu_seconds(server.process) for server in servers),
            "database": cpu_seconds(self._postgres.process) if self._postgres else 0.0,
            "wal": wal_bytes(self._running[0].database_url) if self._postgres else 0.0,
            **dict.fromkeys(_COUNTED, 0.0),
        }
        for server in servers:
            text = Connection(server.port).get("/metrics").decode()
            for name, line in _COUNTED.items():
                found[name] += sum(map(float, line.findall(text)))
        return found

    def read(self) -> dict[str, float]:
        """Return what was used: seconds of the server's and the database's processors, bytes, and numbers.

        `jobs` are the calls that shared the `transactions`.
        """
        return {name: value - self._before[name] for name, value in self._read().items()}


def wal_bytes(url: str) -> float:
    """Return the position of PostgreSQL's write-ahead log, in bytes."""
    with closing(psycopg.connect(url)) as connection:
        row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return float(row[0])


# The tables that grow with trials.
TABLES = ("trials", "measurements", "events", "operations", "requests")


def bytes_a_row(url: str) -> dict[str, float]:
    """Return the bytes of a row of each table that grows, with its share of all indexes."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        sizes = {}
        for table in TABLES:
            size = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
            rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert size is not None
            assert rows is not None
            sizes[table] = size[0] / max(1, rows[0])
    return sizes
