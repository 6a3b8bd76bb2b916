"""SQLite: one writer thread; writes that wait at the same time share one commit.

A durable commit costs milliseconds, a row microseconds. While one commit waits for the disk, further writes queue up,
and all of them go into the next commit. Each is answered after its own commit. There are no savepoints: each would cost
two more statements, and copies of the pages that it changes. If one write fails, all run again, each on its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy import event, exc

from dodona_server.domain.errors import DodonaError
from dodona_server.storage.engine.statement import as_sqlalchemy
from dodona_server.storage.engine.store import Readers, Store, Transaction, note_write
from dodona_server.storage.engine.writer import Job, Writer
from dodona_server.storage.errors import StoreUnusable

T = TypeVar("T")

READER_THREADS = 2


class SqliteStore(Store):
    """A database file that only this process has open.

    Args:
        path: the file; it is created if necessary.

    Raises:
        StoreUnusable: another server has the file open, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.url = self.secret_url = f"sqlite:///{path}"
        self.artifacts = folder_beside(path)
        if not path.parent.is_dir():
            raise StoreUnusable(f"the database {path} cannot be opened: there is no folder {path.parent}")
        self._lock = _lock(path)
        self.engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
        try:
            # The writer begins and ends its transactions explicitly: SQLAlchemy's own way costs as much as a statement.
            self._connection = sqlite_engine(path, begin=None).connect()
            # A statement that SQLAlchemy sends may write.
            event.listen(self._connection, "before_cursor_execute", lambda transaction, *_: note_write(transaction))
        except (exc.DBAPIError, sqlite3.Error) as error:
            self._lock.release()
            cause = getattr(error, "orig", None) or error
            raise StoreUnusable(f"the database {path} cannot be opened: {cause}") from error
        self._readers = Readers(sqlite_engine(path, begin="BEGIN", read_only=True), READER_THREADS)
        self._writer = Writer(1, self._commit)

    async def run(self, use_case: Callable[[Transaction], T | DodonaError], about: Hashable = None) -> T:  # noqa: ARG002
        """See `Store.run`; all use cases share commits, whatever `about` is."""
        return await self._writer.run(use_case, "the file")

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return await self._readers.read(query)

    def close(self) -> None:
        """See `Store.close`."""
        self._writer.close()
        self._connection.close()
        self._readers.close()
        self.engine.dispose()
        self._lock.release()

    def _commit(self, batch: list[Job]) -> None:
        try:
            self._transact(batch)
        except Exception as error:  # noqa: BLE001 - the caller's
            if len(batch) == 1:
                batch[0].error = error
                return
            # Running each alone shows whose error it is.
            for job in batch:
                self._commit([job])

    def _transact(self, batch: list[Job]) -> None:
        """Run the jobs in one transaction.

        Raises:
            Exception: one of them failed, or the database did; nothing is changed.
        """
        driver: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]
        try:
            driver.execute("BEGIN IMMEDIATE")
            for job in batch:
                job.run(self._connection)
            driver.execute("COMMIT")
        except BaseException as error:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise as_sqlalchemy(self._connection, error) from error
            raise


def folder_beside(path: Path) -> str:
    """Return the folder for artifacts beside a database file."""
    return str(path.absolute().with_name(f"{path.name}.artifacts"))


def _lock(path: Path) -> FileLock:
    # Any thread may close the store and release the lock.
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StoreUnusable(
            f"the database {path} is in use by another server; stop that one, or choose another --database-url"
        ) from None
    except OSError as error:
        raise StoreUnusable(f"the database {path} cannot be opened: {error.strerror}") from error
    return lock


def sqlite_engine(path: Path, begin: str | None, *, read_only: bool = False) -> sa.Engine:
    """Return an engine for the file; its transactions begin with the statement `begin`, if given."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions itself
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=5000",
            "cache_size=-16384",
            f"query_only={'ON' if read_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    if begin is not None:

        @event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

    return engine
