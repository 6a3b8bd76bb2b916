"""Use cases that wait at the same time share a transaction, and its commit, which costs milliseconds if durable."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import exc

from dodona_server.domain.errors import DodonaError, Unavailable
from dodona_server.observation import metrics, tracing
from dodona_server.storage.engine.store import Transaction, begin_use_case, has_written, unavailable

T = TypeVar("T")

# Limits how long the first of a batch waits for the last.
MAX_BATCH = 256


@dataclass(slots=True)
class Job:
    """A use case, its caller's future, its result, and what it wants to be called after the commit."""

    use_case: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    arrived: float = field(default_factory=time.perf_counter)

    def run(self, transaction: Transaction) -> None:
        """Run the use case and keep its result, or its refusal if it wrote nothing before.

        Raises:
            Exception: it failed; what it wrote has to be undone.
        """
        self.after_commit.clear()
        begin_use_case(transaction, self.after_commit)
        self.error = None
        try:
            self.result = self.use_case(transaction)
            if isinstance(self.result, DodonaError):
                raise self.result
        except DodonaError as refusal:
            if has_written(transaction):
                raise
            self.error = refusal


class Writer:
    """Threads that run use cases: those about the same thing run one at a time, in order of arrival.

    Args:
        threads: how many threads.
        commit: runs a batch of jobs about one thing; it sets the result or error of each, and raises nothing.
    """

    def __init__(self, threads: int, commit: Callable[[list[Job]], None]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._all_done = threading.Condition(self._lock)
        # The subjects whose next batch begins when the event loop says so: those that come in the same turn share a
        # commit, and so do the waiting ones with the next calls of those that have just been answered.
        self._gathering: deque[Hashable] = deque()
        # The subjects of waiting jobs on which no thread is working.
        self._ready: deque[Hashable] = deque()
        # What wakes each idle thread. The last one is woken first: its connection's memory is still warm. On a common
        # queue, each job would also wake a thread for which there is nothing to do.
        self._idle: list[threading.Lock] = []
        self._closed = self._ended = False
        self._threads = [threading.Thread(target=self._work, name="dodona-write", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, use_case: Callable[[Transaction], T | DodonaError], about: Hashable) -> T:
        """Return what `use_case` returns; see `Store.run`."""
        if self._closed:
            raise Unavailable("the server is shutting down")
        loop = asyncio.get_running_loop()
        job = Job(use_case, loop.create_future())
        with self._lock:
            waiting = self._waiting.get(about)
            if waiting is None:
                self._waiting[about] = deque((job,))
                self._gathering.append(about)
                loop.call_soon(self._start)
            else:
                waiting.append(job)
        with tracing.span("transaction"):
            result: T = await job.future
        return result

    def _start(self) -> None:
        """Let threads work on what the event loop has gathered."""
        with self._lock:
            while self._gathering:
                self._ready.append(self._gathering.popleft())
                if self._idle:
                    self._idle.pop().release()

    def close(self) -> None:
        """Finish the waiting jobs."""
        self._closed = True
        self._start()
        with self._all_done:
            self._all_done.wait_for(lambda: not self._waiting)
            self._ended = True
            for asleep in self._idle:
                asleep.release()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        asleep = threading.Lock()
        asleep.acquire()
        while True:
            with self._lock:
                if self._ready:
                    about = self._ready.popleft()
                    waiting = self._waiting[about]
                    batch = [waiting.popleft() for _ in range(min(len(waiting), MAX_BATCH))]
                elif self._ended:
                    return
                else:
                    self._idle.append(asleep)
                    batch = []
            if not batch:
                asleep.acquire()
                continue
            began = time.perf_counter()
            self._commit(batch)
            metrics.WRITING.observe(time.perf_counter() - began)
            for job in batch:
                metrics.WRITE_WAIT.observe(began - job.arrived)
            with self._lock:
                if not waiting:
                    del self._waiting[about]
                    if self._closed:
                        self._all_done.notify_all()
                elif self._closed:
                    self._ready.append(about)
                else:
                    self._gathering.append(about)
            # Last, because the event loop then takes the interpreter.
            self._settle(batch)

    def _settle(self, batch: list[Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in batch:
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, jobs in by_loop.items():
            loop.call_soon_threadsafe(self._answer, loop, jobs)

    def _answer(self, loop: asyncio.AbstractEventLoop, jobs: list[Job]) -> None:
        """Answer the callers, then let the next batch begin."""
        _resolve(jobs)
        if self._gathering:
            # After the callers, who may be answered and call again meanwhile: a commit costs more than the delay.
            loop.call_soon(self._start)


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        if job.error is None:
            for call in job.after_commit:
                # Before the caller goes on, and so that an error in it harms no other call.
                job.future.get_loop().call_soon(call)
        if job.future.done():  # the caller has cancelled
            continue
        if isinstance(job.error, exc.OperationalError | exc.InterfaceError):
            job.future.set_exception(unavailable(job.error))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
