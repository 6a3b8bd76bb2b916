"""PostgreSQL: a pool of connections, one transaction a use case; the database itself shares commits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.store import Readers, Store, Transaction, in_thread, unavailable

T = TypeVar("T")

WRITER_CONNECTIONS = 8
READER_CONNECTIONS = 4
# Two servers that create the same row at once: the loser runs again and finds the winner's.
CONFLICT_RETRIES = 5


# The database has chosen one of two transactions that wait for each other, and undone it.
DEADLOCK = "40P01"
CONNECT_SECONDS = 10


class PostgresStore(Store):
    """A PostgreSQL database, which any number of servers may share.

    Args:
        url: where it is.

    Raises:
        StoreUnusable: it does not answer.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url.render_as_string(hide_password=True)
        self.secret_url = url.render_as_string(hide_password=False)
        self.engine = sa.create_engine(
            url,
            pool_size=WRITER_CONNECTIONS,
            max_overflow=0,
            connect_args={"connect_timeout": CONNECT_SECONDS},
        )
        reader = reading_engine(url, READER_CONNECTIONS)
        try:
            with self.engine.connect():
                pass
        except exc.OperationalError as error:
            cause = str(error.orig).strip().splitlines()[0]
            where = url.render_as_string(hide_password=True)
            raise StoreUnusable(f"the database {where} does not answer: {cause}") from error
        self._readers = Readers(reader, READER_CONNECTIONS)
        self._threads = ThreadPoolExecutor(WRITER_CONNECTIONS, thread_name_prefix="dodona-write")

    async def run(self, use_case: Callable[[Transaction], T]) -> T:
        """See `Store.run`."""
        return await in_thread(self._threads, functools.partial(self._transact, use_case))

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return await self._readers.read(query)

    def close(self) -> None:
        """See `Store.close`."""
        self._threads.shutdown()
        self._readers.close()
        self.engine.dispose()

    def _transact(self, use_case: Callable[[Transaction], T]) -> T:
        for attempt in range(1, CONFLICT_RETRIES + 1):
            try:
                with self.engine.begin() as transaction:
                    return use_case(transaction)
            except exc.IntegrityError:
                if attempt == CONFLICT_RETRIES:
                    raise
            except (exc.OperationalError, exc.InterfaceError) as error:
                if getattr(error.orig, "sqlstate", None) != DEADLOCK or attempt == CONFLICT_RETRIES:
                    raise unavailable(error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")


def reading_engine(url: sa.URL, connections: int) -> sa.Engine:
    """An engine with that many connections, whose transactions see one state of the database and cannot write."""
    return sa.create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        isolation_level="REPEATABLE READ",
        connect_args={"options": "-c default_transaction_read_only=on", "connect_timeout": CONNECT_SECONDS},
    )
