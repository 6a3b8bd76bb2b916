"""Schema commands for administrators, on the database at a URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import exc

from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema import migrate
from dodona_server.storage.schema.opening import engine_for


def current(url: str) -> str | None:
    """Return the revision of the schema; None for an empty database.

    Raises:
        StoreUnusable: the URL names no database, or it does not answer.
    """
    with _connected(url) as connection:
        return migrate.current(connection)


def head() -> str:
    """Return the revision that this version needs."""
    return migrate.head()


def vacuum(url: str) -> None:
    """Free the space of deleted rows, and update the planner's statistics.

    Raises:
        StoreUnusable: the URL names no database, or it does not answer.
    """
    with _connected(url) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("ANALYZE")
        else:
            connection.exec_driver_sql("VACUUM (ANALYZE)")


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    engine = engine_for(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    except exc.DatabaseError as error:
        raise StoreUnusable(f"the database cannot be used: {error.orig}") from error
    finally:
        engine.dispose()
