"""Clock of the database: leases expire by it, whichever server checks."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction


class database_now(FunctionElement[float]):  # noqa: N801 - a function of SQL
    """Time at which the statement runs, in seconds since the epoch."""

    type = sa.Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite(_element: database_now, _compiler: Any, **_options: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42, which Python 3.11 often lacks; this has milliseconds too.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql(_element: database_now, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


_NOW = Statement(sa.select(database_now().label("now")))


def database_time(transaction: Transaction) -> float:
    """Return the time by the database's clock, in seconds since the epoch."""
    now: float = _NOW.value(transaction)
    return now
