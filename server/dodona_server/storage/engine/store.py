"""Bridge from the event loop to SQL: a use case is a plain function of a transaction, run beside the loop.

    store.run(use_case)   one durable transaction; when it returns, the change survives kill -9 and a power cut
    store.read(query)     one read-only snapshot

Both take a function of a `Transaction`, which the query modules of this package turn into domain values.
"""

from __future__ import annotations

import asyncio
import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from dodona_server.domain.errors import DodonaError, Unavailable
from dodona_server.observation import metrics

T = TypeVar("T")
Transaction = sa.Connection
# The keys of a connection's `info`: what to call after the commit, and whether the use case has written.
_AFTER_COMMIT, _WRITTEN = "after_commit", "written"


class Store(ABC):
    """A database behind the bridge; `url` names it without its password, `secret_url` with it.

    `engine` begins transactions outside the bridge, for commands of administrators.
    `artifacts` is the folder for artifacts beside a database that only one server uses, otherwise None.
    """

    url: str
    secret_url: str
    engine: sa.Engine
    artifacts: str | None = None

    @abstractmethod
    async def run(self, use_case: Callable[[Transaction], T | DodonaError], about: Hashable = None) -> T:
        """Return what `use_case` returns, once its changes are durable; if it raises, nothing has changed.

        A refusal is a `DodonaError` that it returns. A use case refuses before it writes: then nothing is undone, and
        the use cases that share its transaction are not run again.

        Args:
            use_case: the function to run; it may run twice, the first time without effect.
            about: use cases about the same thing, such as one study, would wait for each other anyway, and may share a
                transaction; None for a transaction of its own.

        Raises:
            DodonaError: the refusal that the use case returned or raised.
            Unavailable: the database failed; the same use case may be run again.
        """

    @abstractmethod
    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Return what `query` returns; it cannot write.

        Raises:
            Unavailable: the database failed.
        """

    async def ping(self) -> None:
        """Check that the database answers.

        Raises:
            Unavailable: it does not.
        """
        await self.read(lambda transaction: transaction.execute(sa.select(1)).scalar_one())

    @abstractmethod
    def close(self) -> None:
        """Finish the running use cases and close the database."""


def begin_use_case(transaction: Transaction, calls: list[Callable[[], None]]) -> None:
    """Record that another use case begins; `calls` receives what it wants to be called after the commit."""
    transaction.info[_AFTER_COMMIT] = calls
    transaction.info[_WRITTEN] = False


def after_commit(transaction: Transaction, call: Callable[[], None]) -> None:
    """Call `call` on the caller's event loop once the use case's changes are durable; never if they are undone."""
    calls = transaction.info.get(_AFTER_COMMIT)
    if calls is not None:
        calls.append(call)


def note_write(transaction: Transaction) -> None:
    """Record that the use case writes."""
    transaction.info[_WRITTEN] = True


def has_written(transaction: Transaction) -> bool:
    """Return whether the use case has written anything."""
    written: bool = transaction.info[_WRITTEN]
    return written


def unavailable(error: exc.DBAPIError) -> Unavailable:
    """Return the domain's error for a failing database."""
    cause = str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
    return Unavailable(f"the database does not answer: {cause}")


async def in_thread(threads: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    """Return what `function` returns, called in one of `threads`.

    Raises:
        Unavailable: they are shut down.
    """
    try:
        future = asyncio.get_running_loop().run_in_executor(threads, function)
    except RuntimeError as error:
        raise Unavailable("the server is shutting down") from error
    return await future


class Readers:
    """A few threads for queries, so that a long query delays nothing else.

    Args:
        engine: opens connections that must not write.
        threads: how many queries may run at once.
    """

    def __init__(self, engine: sa.Engine, threads: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="dodona-read")

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return await in_thread(self._threads, functools.partial(self._query, query, time.perf_counter()))

    def _query(self, query: Callable[[Transaction], T], arrived: float) -> T:
        metrics.READ_WAIT.observe(time.perf_counter() - arrived)
        try:
            with metrics.READING.time(), self._engine.begin() as transaction:
                return query(transaction)
        except (exc.OperationalError, exc.InterfaceError) as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Wait for the running queries."""
        self._threads.shutdown(cancel_futures=True)
        self._engine.dispose()
