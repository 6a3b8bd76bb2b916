"""PostgreSQL: several threads, each with its own connection.

Changes of one study wait for each other anyway, because of the study's row lock. So those that wait at the same time
share one transaction, and their writes share one pipeline. The database is waited for only where its answer is needed.
There are no savepoints: they would cost two more statements each. If one change fails after it wrote, all run again,
each on its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from dodona_server.domain.errors import DodonaError
from dodona_server.storage.engine.shown import shown
from dodona_server.storage.engine.statement import PIPELINE, as_sqlalchemy
from dodona_server.storage.engine.store import Readers, Store, Transaction, note_write
from dodona_server.storage.engine.writer import Job, Writer
from dodona_server.storage.errors import StoreUnusable

if TYPE_CHECKING:
    from dodona_server.storage.engine.pipeline import Pipeline

T = TypeVar("T")

WRITER_CONNECTIONS = 8
READER_CONNECTIONS = 4
# If two servers create the same row at once, the loser runs again and finds the winner's row.
CONFLICT_RETRIES = 5


# The database has chosen one of two transactions that wait for each other, and rolled it back.
DEADLOCK = "40P01"
# A host that vanishes without notice is given up after half a minute, not after TCP's quarter of an hour.
CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}


class PostgresStore(Store):
    """A PostgreSQL database, which any number of servers may share.

    Args:
        url: the database's URL.

    Raises:
        StoreUnusable: it does not answer.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = shown(url)
        self.secret_url = url.render_as_string(hide_password=False)
        self.engine = sa.create_engine(
            url,
            pool_size=WRITER_CONNECTIONS,
            max_overflow=0,
            connect_args=CONNECTION,
        )
        event.listen(self.engine, "before_cursor_execute", _pause)
        reader = reading_engine(url, READER_CONNECTIONS)
        try:
            with self.engine.connect():
                pass
        except exc.DBAPIError as error:
            cause = str(error.orig).strip().splitlines()[0]
            raise StoreUnusable(f"the database {shown(url)} does not answer: {cause}") from error
        self._readers = Readers(reader, READER_CONNECTIONS)
        self._of_thread = threading.local()
        self._times_lost = 0
        self._transactions: list[Transaction] = []
        self._writer = Writer(WRITER_CONNECTIONS, self._commit)

    async def run(self, use_case: Callable[[Transaction], T | DodonaError], about: Hashable = None) -> T:
        """See `Store.run`."""
        return await self._writer.run(use_case, object() if about is None else about)

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return await self._readers.read(query)

    def close(self) -> None:
        """See `Store.close`."""
        self._writer.close()
        for transaction in self._transactions:
            transaction.close()
        self._readers.close()
        self.engine.dispose()

    def _commit(self, batch: list[Job]) -> None:
        try:
            if len(batch) > 1:
                self._transact(batch)
                return
        except exc.OperationalError as error:
            if not _is_conflict(error):
                for job in batch:
                    job.error = error
                return
        except Exception:  # noqa: BLE001, S110 - running each alone shows whose error it is
            pass
        for job in batch:
            self._commit_alone(job)

    def _commit_alone(self, job: Job) -> None:
        for attempt in range(1, CONFLICT_RETRIES + 1):
            try:
                self._transact([job])
            except Exception as error:  # noqa: BLE001 - the caller's
                if attempt == CONFLICT_RETRIES or not _is_conflict(error):
                    job.error = error
                    return
            else:
                return

    def _transact(self, batch: list[Job]) -> None:
        """Run the jobs in one transaction.

        Raises:
            Exception: one of them failed, or the database did; nothing is changed.
        """
        transaction = self._transaction()
        dbapi: Any = transaction.dialect.loaded_dbapi
        try:
            with _pipeline(transaction).transaction():
                for job in batch:
                    job.run(transaction)
        except dbapi.Error as error:
            raise as_sqlalchemy(transaction, error) from error
        finally:
            if transaction.invalidated:
                self._times_lost += 1
            if transaction.in_transaction():
                # SQLAlchemy has sent its own statement.
                transaction.rollback()

    def _transaction(self) -> Transaction:
        """Return the connection that this thread keeps: one from the pool would cost as much as a statement."""
        mine = self._of_thread
        transaction: Transaction | None = getattr(mine, "transaction", None)
        if transaction is None:
            transaction = mine.transaction = self.engine.connect()
            self._transactions.append(transaction)
        elif mine.times_lost != self._times_lost and not transaction.invalidated:
            # When PostgreSQL stops, it closes all connections; it is enough that one call fails because of that.
            transaction.invalidate()
        mine.times_lost = self._times_lost
        return transaction


def _pause(transaction: Transaction, *_: Any) -> None:
    """Pause the pipeline so that SQLAlchemy can send a statement inside a transaction, which only rare calls do."""
    # It may write.
    note_write(transaction)
    pipeline: Pipeline | None = transaction.info.get(PIPELINE)
    if pipeline is not None and pipeline.is_open:
        pipeline.pause()


def _pipeline(transaction: Transaction) -> Pipeline:
    """Return the connection's pipeline, which knows the prepared statements."""
    # Imported here because a server on SQLite does not have the driver.
    from dodona_server.storage.engine.pipeline import Pipeline

    pipeline: Pipeline | None = transaction.info.get(PIPELINE)
    if pipeline is None:
        driver: Any = transaction.connection.driver_connection
        pipeline = transaction.info[PIPELINE] = Pipeline(driver)
    return pipeline


def _is_conflict(error: Exception) -> bool:
    if isinstance(error, exc.IntegrityError):
        return True
    return isinstance(error, exc.OperationalError) and getattr(error.orig, "sqlstate", None) == DEADLOCK


def reading_engine(url: sa.URL, connections: int) -> sa.Engine:
    """Return an engine with that many connections, for read-only transactions that see one state of the database."""
    return sa.create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        isolation_level="REPEATABLE READ",
        connect_args={"options": "-c default_transaction_read_only=on", **CONNECTION},
    )
