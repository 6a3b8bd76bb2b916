"""SQLite: one writer thread whose waiting writes share one commit.

A commit that is on disk costs milliseconds, a row microseconds. So while one commit waits for the disk, the writes
that arrive queue up, and all of them go into the next one: each is answered after its own commit, and the disk is
kept waiting by none. A savepoint around each keeps a failing write from taking the others with it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy import event, exc

from dodona_server.domain.errors import Unavailable
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.store import Readers, Store, Transaction, unavailable

T = TypeVar("T")

# Bounds how long the first of a batch waits for the last.
MAX_BATCH = 256
READER_THREADS = 2


@dataclass(slots=True)
class _Job:
    use_case: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class SqliteStore(Store):
    """A database file that this process alone has open.

    Args:
        path: the file; it is created if need be.

    Raises:
        StoreUnusable: another server has the file open, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.url = self.secret_url = f"sqlite:///{path}"
        self.artifacts = str(path.absolute().with_name(f"{path.name}.artifacts"))
        if not path.parent.is_dir():
            raise StoreUnusable(f"the database {path} cannot be opened: there is no folder {path.parent}")
        self._lock = _lock(path)
        self.engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
        try:
            # This one's transactions are begun and ended by hand: SQLAlchemy's own way costs as much as a statement.
            self._connection = sqlite_engine(path, begin=None).connect()
        except (exc.DBAPIError, sqlite3.Error) as error:
            self._lock.release()
            cause = getattr(error, "orig", None) or error
            raise StoreUnusable(f"the database {path} cannot be opened: {cause}") from error
        self._readers = Readers(sqlite_engine(path, begin="BEGIN", read_only=True), READER_THREADS)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="dodona-write", daemon=True)
        self._writer.start()

    async def run(self, use_case: Callable[[Transaction], T]) -> T:
        """See `Store.run`."""
        if self._closed:
            raise Unavailable("the server is shutting down")
        job = _Job(use_case, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        result: T = await job.future
        return result

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return await self._readers.read(query)

    def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        self._jobs.put(None)
        self._writer.join()
        self._readers.close()
        self.engine.dispose()
        self._lock.release()

    def _write(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [first]
            while len(batch) < MAX_BATCH and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:  # the end, which comes after all jobs: this batch first
                    self._jobs.put(None)
                    break
                batch.append(job)
            _commit(self._connection, batch)
            _settle(batch)
        self._connection.close()


def _commit(connection: sa.Connection, batch: list[_Job]) -> None:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        driver.execute("BEGIN IMMEDIATE")
        if len(batch) == 1:
            batch[0].result = batch[0].use_case(connection)
        else:
            _run_each(driver, connection, batch)
        driver.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - nothing of the batch is on disk: every caller has to know
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        for job in batch:
            job.error = exc.OperationalError("", None, error) if isinstance(error, sqlite3.OperationalError) else error


def _run_each(driver: sqlite3.Connection, connection: sa.Connection, batch: list[_Job]) -> None:
    for job in batch:
        driver.execute("SAVEPOINT job")
        try:
            job.result = job.use_case(connection)
        except Exception as error:  # noqa: BLE001 - it is the caller's: _settle hands it over
            job.error = error
            driver.execute("ROLLBACK TO job")
        driver.execute("RELEASE job")


def _settle(batch: list[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, jobs in by_loop.items():
        loop.call_soon_threadsafe(_answer, jobs)


def _answer(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():  # the caller went away
            continue
        if isinstance(job.error, exc.OperationalError | exc.InterfaceError):
            job.future.set_exception(unavailable(job.error))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _lock(path: Path) -> FileLock:
    # Released by whichever thread closes the store.
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
    """An engine for the file; its transactions begin with the statement `begin`, if there is one."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
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
