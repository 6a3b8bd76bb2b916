"""Use cases that share a transaction: their order, their company, and what failing ones do to it."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa

from dodona_server.domain.errors import NotFound, Unavailable
from dodona_server.domain.names import Location
from dodona_server.storage import requests
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import after_commit
from dodona_server.storage.engine.writer import Job, Writer
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.tables import core as tables
from tests.support.patience import patience
from tests.support.postgres import fresh_database

COUNT = Statement(sa.select(sa.func.count()).select_from(tables.requests))
PID = Statement(sa.select(sa.func.pg_backend_pid().label("pid")))


class Recorder:
    """Commits batches by calling each use case, and notes who was at work at the same time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.busy = []
        self.together = set()
        self.batches = []

    def commit(self, batch: list[Job]) -> None:
        about = batch[0].use_case(None)[0]
        with self.lock:
            assert about not in self.busy
            self.busy.append(about)
            self.together.add(frozenset(self.busy))
            self.batches.append(len(batch))
        for job in batch:
            job.result = job.use_case(None)
        with self.lock:
            self.busy.remove(about)


def test_what_is_about_one_thing_runs_in_order_and_one_thread_at_a_time():
    recorder = Recorder()
    writer = Writer(4, recorder.commit)

    async def use() -> list[tuple[str, int]]:
        asked = [(about, number) for number in range(200) for about in "abc"]
        return await asyncio.gather(*(writer.run(lambda _, one=one: one, one[0]) for one in asked))

    answers = asyncio.run(use())
    writer.close()
    assert answers == [(about, number) for number in range(200) for about in "abc"]
    assert sum(recorder.batches) == 600
    assert max(recorder.batches) > 1


def test_other_things_are_done_meanwhile():
    together = threading.Barrier(2, timeout=patience(30))

    def commit(batch: list[Job]) -> None:
        together.wait()  # breaks unless two threads come here
        for job in batch:
            job.result = True

    writer = Writer(2, commit)

    async def use() -> list[bool]:
        return await asyncio.gather(*(writer.run(lambda _: True, about) for about in "ab"))

    assert asyncio.run(use()) == [True, True]
    writer.close()


def test_a_caller_that_was_answered_and_calls_again_shares_a_commit_with_those_that_wait():
    begun, go_on, batches = threading.Event(), threading.Event(), []

    def commit(batch: list[Job]) -> None:
        batches.append(len(batch))
        begun.set()
        assert go_on.wait(patience(30))

    writer = Writer(2, commit)

    async def call(times: int) -> None:
        for _ in range(times):
            await writer.run(lambda _: None, "a")

    async def use() -> None:
        first = asyncio.create_task(call(2))
        await asyncio.to_thread(begun.wait, patience(30))
        waiting = asyncio.create_task(call(1))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, waiting)

    asyncio.run(use())
    writer.close()
    assert batches == [1, 2]


def test_closing_finishes_what_waits_and_takes_nothing_more():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def commit(batch: list[Job]) -> None:
        begun.set()
        assert go_on.wait(patience(30))
        done.extend(batch)

    writer = Writer(2, commit)

    async def use() -> None:
        tasks = [asyncio.create_task(writer.run(lambda _: None, "a")) for _ in range(20)]
        await asyncio.to_thread(begun.wait, 30)
        closing = asyncio.create_task(asyncio.to_thread(writer.close))
        go_on.set()
        await asyncio.gather(*tasks)
        await closing
        with pytest.raises(Unavailable, match="shutting down"):
            await writer.run(lambda _: None, "a")

    asyncio.run(use())
    assert len(done) == 20


@pytest.fixture
def postgres(_postgres):
    with fresh_database(_postgres) as url:
        store = open_store(url)
        yield store
        store.close()


def test_one_that_fails_takes_no_other_with_it(postgres):
    def fail(_):
        raise NotFound("there is nothing")

    async def use():
        cases = [PID.value] * 5 + [fail] + [PID.value] * 5
        return await asyncio.gather(*(postgres.run(case, "one study") for case in cases), return_exceptions=True)

    answers = asyncio.run(use())
    assert [type(answer) for answer in answers] == [int] * 5 + [NotFound] + [int] * 5


class Counted:
    """A use case that counts its runs: it may write, then it returns, refuses or fails."""

    def __init__(self, end, *, writes=False):
        self.end, self.writes, self.runs, self.called = end, writes, 0, 0

    def __call__(self, transaction):
        self.runs += 1
        after_commit(transaction, self.call)
        if self.writes:
            requests.insert(transaction, Location("p", "l"), f"{id(self)}", requests.Done("report", ""), 0.0)
        return self.end()

    def call(self):
        self.called += 1


def returns_refusal():
    return NotFound("there is nothing")


def raises_refusal():
    raise NotFound("there is nothing")


def fails():
    raise ZeroDivisionError


def together(store, cases):
    """What the use cases are answered with; all but the first share a transaction."""
    first_runs, queued = threading.Event(), threading.Event()

    def first(_):
        first_runs.set()
        assert queued.wait(patience(30))

    async def use():
        begun = asyncio.create_task(store.run(first, "one study"))
        await asyncio.to_thread(first_runs.wait, patience(30))
        others = [asyncio.create_task(store.run(case, "one study")) for case in cases]
        await asyncio.sleep(0)
        queued.set()
        await begun
        return await asyncio.gather(*others, return_exceptions=True)

    return asyncio.run(use())


@pytest.mark.parametrize("refuse", [returns_refusal, raises_refusal])
def test_a_refusal_that_wrote_nothing_undoes_nothing(database_url, refuse):
    store = open_store(database_url)
    cases = [Counted(lambda: 1, writes=True), Counted(refuse), Counted(lambda: 2, writes=True)]
    answers = together(store, cases)
    assert [answers[0], type(answers[1]), answers[2]] == [1, NotFound, 2]
    assert [case.runs for case in cases] == [1, 1, 1]
    assert [case.called for case in cases] == [1, 0, 1]
    assert asyncio.run(store.read(COUNT.value)) == 2
    store.close()


@pytest.mark.parametrize("fail", [returns_refusal, raises_refusal, fails])
def test_what_fails_after_it_wrote_is_undone_alone(database_url, fail):
    store = open_store(database_url)
    cases = [Counted(lambda: 1, writes=True), Counted(fail, writes=True), Counted(lambda: 2, writes=True)]
    answers = together(store, cases)
    assert [answers[0], answers[2]] == [1, 2]
    assert isinstance(answers[1], NotFound | ZeroDivisionError)
    # PostgreSQL runs the others again, and yet they are called once.
    assert [case.called for case in cases] == [1, 0, 1]
    assert asyncio.run(store.read(COUNT.value)) == 2
    store.close()


def test_a_statement_of_sqlalchemy_counts_as_a_write(database_url):
    store = open_store(database_url)
    row = {"study_key": 0, "location": "p/l", "request_id": "r", "call": "report", "result": ""}

    def writes_and_refuses(transaction):
        transaction.execute(tables.requests.insert(), row)
        return NotFound("there is nothing")

    answers = together(store, [Counted(lambda: 1, writes=True), writes_and_refuses, Counted(lambda: 2, writes=True)])
    assert [answers[0], type(answers[1]), answers[2]] == [1, NotFound, 2]
    assert asyncio.run(store.read(COUNT.value)) == 2
    store.close()


def test_an_error_after_the_commit_harms_nobody(database_url):
    store = open_store(database_url)
    called = []

    def use_case(transaction):
        after_commit(transaction, fails)
        after_commit(transaction, lambda: called.append("next"))
        return "answer"

    async def use():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: called.append(context["exception"]))
        return await store.run(use_case)

    assert asyncio.run(use()) == "answer"
    assert [str(one) for one in called] == ["", "next"]
    store.close()


def test_a_connection_that_is_lost_is_replaced(postgres):
    terminate = Statement(sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid())))

    async def use():
        with pytest.raises(Unavailable, match="the database does not answer"):
            await postgres.run(terminate.value)
        assert await postgres.run(PID.value) > 0
        with pytest.raises(Unavailable, match="the database does not answer"):
            await postgres.read(terminate.value)
        assert await postgres.read(PID.value) > 0

    asyncio.run(use())
