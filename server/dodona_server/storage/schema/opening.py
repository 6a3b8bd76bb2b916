"""Opens the database at a URL and upgrades its schema."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from dodona_server.storage.engine.postgres import PostgresStore, reading_engine
from dodona_server.storage.engine.sqlite import SqliteStore, folder_beside, sqlite_engine
from dodona_server.storage.engine.store import Store
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema import migrate

EXAMPLES = "sqlite:///dodona.db or postgresql://user:password@host/database"


def open_store(url: str) -> Store:
    """Return the store at `url`, with its schema upgraded to this code's revision.

    Args:
        url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        StoreUnusable: the URL names no such database, it does not answer, another server has it open, or its schema
            is newer than this code.
    """
    store = open_unchanged(url)
    try:
        migrate.upgrade(store.engine)
    except exc.DatabaseError as error:
        store.close()
        raise StoreUnusable(f"the database {store.url} cannot be used: {error.orig}") from error
    except StoreUnusable:
        store.close()
        raise
    return store


def open_unchanged(url: str) -> SqliteStore | PostgresStore:
    """Return the store at `url`, with the schema that it has.

    Raises:
        StoreUnusable: see `open_store`.
    """
    parsed = _parse(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    return SqliteStore(Path(str(parsed.database))) if sqlite else _open_postgres(parsed)


def artifacts_beside(url: str) -> str | None:
    """Return the default place for the artifacts of the database at `url`; see `Store.artifacts`.

    Raises:
        StoreUnusable: the URL names no database.
    """
    parsed = _parse(url)
    return folder_beside(Path(str(parsed.database))) if parsed.get_backend_name() == "sqlite" else None


def engine_for(url: str) -> sa.Engine:
    """Return a plain engine for the database at `url`, as in `open_store`; an SQLite file must exist.

    Raises:
        StoreUnusable: the URL names no such database.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        if not Path(str(parsed.database)).is_file():
            raise StoreUnusable(f"there is no file {parsed.database}")
        return sa.create_engine(parsed)
    return sa.create_engine(parsed.set(drivername="postgresql+psycopg"))


def open_reader(url: str) -> sa.Engine:
    """Return a read-only engine for a database that a server has already opened and upgraded.

    Args:
        url: see `Store.secret_url`.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite_engine(Path(str(parsed.database)), begin="BEGIN", read_only=True)
    return reading_engine(parsed, connections=1)


def _open_postgres(url: sa.URL) -> PostgresStore:
    try:
        return PostgresStore(url.set(drivername="postgresql+psycopg"))
    except ImportError as error:
        raise StoreUnusable(
            f"PostgreSQL needs the driver {error.name}: pip install 'dodona[server,postgres]'"
        ) from error


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        # Not the URL itself, nor SQLAlchemy's message about its parts: they may contain a password.
        raise StoreUnusable(f"the database URL cannot be read; write one like {EXAMPLES}") from None
    if "@" in (parsed.host or ""):
        raise StoreUnusable("the database URL has more than one @; write one in a password as %40")
    backend = parsed.drivername.partition("+")[0]
    if backend not in ("sqlite", "postgresql", "postgres"):
        raise StoreUnusable(f"the database URL begins with {parsed.drivername!r}; use one like {EXAMPLES}")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreUnusable("the database URL names no file; a study in memory would be lost at the end")
    return parsed.set(drivername="sqlite" if backend == "sqlite" else "postgresql")
