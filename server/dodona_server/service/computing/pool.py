"""A pool of processes that run the algorithms, so that none of them can block the server.

Each process reads the histories that it needs from the database and keeps them: finished trials never change. A
process starts with its first job, if not before, and is killed when it does not answer. `forking` starts them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, TypeVar

from dodona_server.algorithms.contract.algorithm import Suggestion
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import Version
from dodona_server.service.computing.forking import FORKS
from dodona_server.storage.engine.store import Store, in_thread

if TYPE_CHECKING:
    # Not before there is a model: it needs NumPy and SciPy, which take half a second and memory.
    from dodona_server.curve_model.model import CurveModel
    from dodona_server.stopping.replay import Replay

T = TypeVar("T")

# A process that takes longer than this counts as hung.
LIMIT_SECONDS = 120.0


class FittingFailed(Exception):
    """The algorithm raised, or its process died or hung; the message says which."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request to a process.

    Args:
        study_key: the study's.
        count: the number of suggestions.
        spaces: the spaces to suggest in, in turn; empty for the study's own.
    """

    study_key: int
    count: int
    spaces: tuple[SearchSpace, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of a process.

    Args:
        version: of the study that it was computed for.
        results: the number of finished trials that it knows.
        next_trial_number: the study's at that time; trials from this number on are unknown to it.
        running: the number of running trials.
        median_seconds: the median duration of the latest trials; None while none has finished.
        seconds: the time to the first point.
        suggestions: the points to try, beginning with those of the same job's earlier answers.
        over: whether the search ends with them.
        wait: whether there will be more points when running trials have finished.
        note: why a simpler method replaced the algorithm; empty if none did.
        late: whether it is over because no trial can end before the study's time is.
        more: whether another answer with further points follows.
    """

    version: Version
    results: int
    next_trial_number: int
    running: int
    median_seconds: float | None
    seconds: float
    suggestions: Sequence[Suggestion]
    over: bool
    wait: bool
    note: str = ""
    late: bool = False
    more: bool = False


@dataclass(frozen=True, slots=True)
class CurveJob:
    """A request to a process: fit the model of the curves of the study with that key."""

    study_key: int


@dataclass(frozen=True, slots=True)
class FittedCurves:
    """Answer to a `CurveJob`; the model is None if the study has no curves."""

    model: CurveModel | None


@dataclass(frozen=True, slots=True)
class ReplayJob:
    """A request to a process: replay the rule "auto" on the curves of the study with that key."""

    study_key: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """Answer to a `ReplayJob`; the replay is None if the study has too few trials or too short curves."""

    replay: Replay | None


class FittingPool:
    """Processes that run the algorithms.

    Args:
        store: its database is the one that the processes read.
        processes: the largest number of them.
        limit_seconds: a process that takes longer is killed.
    """

    def __init__(
        self,
        store: Store,
        processes: int,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._processes = [_Process(store, limit_seconds, index) for index in range(processes)]

    async def fit(self, job: Job, found: Callable[[Answer], None], *, slow: bool, started: Callable[[], None]) -> None:
        """Send the job to the least busy process; among equals, to one that is ready and knows the study's history.

        Args:
            job: to compute.
            found: called with each answer; all but the last one have `more`.
            slow: whether it will take long; one process is kept free of slow jobs for the others.
            started: called, in a thread, when a process begins the job.

        Raises:
            FittingFailed: there is no answer, or no further one.
        """
        lanes = self._processes[1:] if slow and len(self._processes) > 1 else self._processes
        await _least_busy(lanes, job.study_key).ask(job, found, started)

    async def fit_curves(self, study_key: int) -> CurveModel | None:
        """Return the model of a study's curves, fitted in the least busy process; None if the study has no curves.

        Raises:
            FittingFailed: the fit failed.
        """
        answer = await _least_busy(self._processes, study_key).answer(CurveJob(study_key), FittedCurves)
        return answer.model

    async def replay_stopping(self, study_key: int) -> Replay | None:
        """Return what the rule "auto" would have done in a study, replayed in the least busy process.

        Raises:
            FittingFailed: it failed.
        """
        answer = await _least_busy(self._processes, study_key).answer(ReplayJob(study_key), Replayed)
        return answer.replay

    def start_one(self) -> None:
        """Start a process that does not run yet, if there is one: its imports take half a second."""
        for process in self._processes:
            if not process.is_started:
                process.start()
                break

    def close(self) -> None:
        """Kill the processes."""
        for process in self._processes:
            process.close()


def _least_busy(lanes: list[_Process], study_key: int) -> _Process:
    """Return the least busy process; among equals, one that is ready and knows the study's history."""
    first = study_key % len(lanes)
    return min(lanes[first:] + lanes[:first], key=lambda one: (one.waiting, not one.is_ready, not one.is_started))


class _Process:
    """One process, and the thread that communicates with it."""

    def __init__(self, store: Store, limit_seconds: float, index: int) -> None:
        self.waiting = 0
        # Whether the process has imported the algorithms.
        self.is_ready = False
        self._store = store
        self._limit = limit_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"dodona-fit-{index}")
        self._lock = threading.Lock()
        self._closed = False
        self._process_id: int | None = None
        self._connection: Connection | None = None

    @property
    def is_started(self) -> bool:
        return self._connection is not None

    def start(self) -> None:
        if not self._closed:
            self._thread.submit(self._get_ready)

    def _get_ready(self) -> None:
        with self._talking():
            pass

    async def answer(self, job: CurveJob | ReplayJob, kind: type[T]) -> T:
        self.waiting += 1
        try:
            return await in_thread(self._thread, lambda: self._answer(job, kind))
        finally:
            self.waiting -= 1

    async def ask(self, job: Job, found: Callable[[Answer], None], started: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def pass_on(answer: Answer) -> None:
            loop.call_soon_threadsafe(found, answer)

        self.waiting += 1
        try:
            last = await in_thread(self._thread, lambda: self._ask(job, pass_on, started))
        finally:
            self.waiting -= 1
        found(last)

    def _ask(self, job: Job, found: Callable[[Answer], None], started: Callable[[], None]) -> Answer:
        started()
        with self._talking() as connection:
            connection.send(job)
            while (answer := self._receive(connection, Answer)).more:
                found(answer)
        return answer

    def _answer(self, job: CurveJob | ReplayJob, kind: type[T]) -> T:
        with self._talking() as connection:
            connection.send(job)
            return self._receive(connection, kind)

    @contextmanager
    def _talking(self) -> Iterator[Connection]:
        try:
            yield self._connected()
        except (EOFError, OSError) as error:
            self._kill()
            raise FittingFailed("the process that fits models died") from error

    def _receive(self, connection: Connection, kind: type[T]) -> T:
        if not connection.poll(self._limit):
            self._kill()
            raise FittingFailed(f"no answer within {self._limit:g} s")
        answer = connection.recv()
        if isinstance(answer, str):
            raise FittingFailed(answer)
        if not isinstance(answer, kind):
            raise TypeError(f"a process that fits models answered {answer!r}")
        return answer

    def _connected(self) -> Connection:
        with self._lock:
            if self._closed:
                raise FittingFailed("the server is shutting down")
            if self._connection is not None and self.is_ready and wait([self._connection], 0):
                # A process without a job says nothing: this one has ended.
                self._discard()
            if self._connection is None:
                self._connection, theirs = multiprocessing.Pipe()
                with theirs:
                    self._process_id = FORKS.start(theirs)
                # Not in the command, which everybody on the machine can read: the URL may contain a password.
                self._connection.send((self._store.secret_url, sys.path))
            connection = self._connection
        if not self.is_ready:
            self._receive(connection, bool)
            self.is_ready = True
        return connection

    def _kill(self) -> None:
        with self._lock:
            self._discard()

    def _discard(self) -> None:
        """End the process, if there is one, and its connection; the caller holds the lock."""
        self._end()
        connection, self._connection = self._connection, None
        self.is_ready = False
        if connection is not None:
            connection.close()

    def _end(self) -> None:
        """Kill the process, if there is one; the caller holds the lock."""
        process_id, self._process_id = self._process_id, None
        if process_id is not None:
            FORKS.kill(process_id)

    def close(self) -> None:
        self._closed = True
        with self._lock:
            self._end()
        # In the thread, which may wait for an answer: it would go on waiting if another one closed the connection.
        self._thread.submit(self._kill)
        self._thread.shutdown(wait=False)
