"""A connection of a server to PostgreSQL that breaks in the middle of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

_KILL_WHO_WAITS = sa.text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def broken_at(database_url: str, table: str, call: Callable[[], Any]) -> Any:
    """Return the result of a call whose connection breaks once it waits for a table.

    Args:
        database_url: the server's database.
        table: its name.
        call: a call that uses the table.
    """
    engine = sa.create_engine(sa.make_url(database_url).set(drivername="postgresql+psycopg"))
    # Each statement of `killer` sees who waits by then.
    with (
        ThreadPoolExecutor(1) as threads,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as killer,
        engine.begin() as holder,
    ):
        holder.execute(sa.text(f"LOCK TABLE {table}"))
        calling = threads.submit(call)
        while not killer.scalar(_KILL_WHO_WAITS):
            assert not calling.done()
            time.sleep(0.01)
        result = calling.result()
    engine.dispose()
    return result
