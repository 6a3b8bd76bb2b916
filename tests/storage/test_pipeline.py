"""Statements to PostgreSQL by libpq itself: values, errors and broken connections are as with any driver."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.errors import Unavailable
from dodona_server.storage.engine.pipeline import Pipeline
from dodona_server.storage.engine.postgres import WRITER_CONNECTIONS
from dodona_server.storage.schema.opening import open_store
from tests.support.patience import patience

LARGE = 100_000


@pytest.fixture(scope="module")
def connection(_postgres: sa.URL) -> Iterator[psycopg.Connection[Any]]:
    url = _postgres.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("CREATE TEMPORARY TABLE numbers (number BIGINT PRIMARY KEY, text VARCHAR)")
        yield opened


@pytest.fixture(scope="module")
def of_connection(connection: psycopg.Connection[Any]) -> Pipeline:
    return Pipeline(connection)


@pytest.fixture
def pipeline(connection: psycopg.Connection[Any], of_connection: Pipeline) -> Pipeline:
    connection.execute("DELETE FROM numbers")
    return of_connection


def insert(pipeline: Pipeline, number: int, text: str | None = None) -> None:
    pipeline.send("INSERT INTO numbers VALUES ($1, $2)", (number, text), answers=False)


def count(connection: psycopg.Connection[Any]) -> int:
    (counted,) = connection.execute("SELECT count(*) FROM numbers").fetchone() or ()
    return int(counted)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.floats(), st.integers(-(2**63), 2**63 - 1), TEXT, st.booleans())
def test_values_come_back_as_they_were(
    of_connection: Pipeline, number: float, whole: int, text: str, yes: bool
) -> None:
    select = "SELECT $1::float8, $2::bigint, $3::text, $4::varchar, $5::bool, $6::bigint"
    with of_connection.transaction():
        (row,) = of_connection.send(select, (number, whole, text, text, yes, None), answers=True)
    assert row[1:] == (whole, text, text, yes, None)
    assert row[0] == number or (math.isnan(row[0]) and math.isnan(number))
    assert isinstance(row[1], int)


OTHER_TYPES = {
    "numeric": "sum(n) FROM (VALUES (1::bigint), (2)) AS t(n)",
    "time": "TIMESTAMPTZ '2026-01-31 15:00:00+00'",
    "array": "ARRAY[1, 2]",
    "json": """'{"a": [1]}'::jsonb""",
    "bytes": r"'\x00ff'::bytea",
    "uuid": "'6c9f9bb1-6df9-4b38-9d4e-1bb1d2a1d1f1'::uuid",
    "one that nobody reads": "'(1,2)'::point",
    "null": "NULL::numeric",
}


@pytest.mark.parametrize("expression", OTHER_TYPES.values(), ids=OTHER_TYPES)
def test_an_answer_of_any_type_is_read_as_the_driver_reads_it(
    pipeline: Pipeline, connection: psycopg.Connection[Any], expression: str
) -> None:
    select = f"SELECT {expression}"
    with pipeline.transaction():
        (row,) = pipeline.send(select, (), answers=True)
    assert row == connection.execute(select).fetchone()


def test_a_value_of_another_type_is_refused(pipeline: Pipeline, connection: psycopg.Connection[Any]) -> None:
    def fail() -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            pipeline.send("SELECT $1::text", (b"1",), answers=True)

    with pytest.raises(TypeError, match=r"b'1' is of no type"):
        fail()
    assert count(connection) == 0


def test_what_is_written_is_seen_by_what_is_read_after_it(pipeline: Pipeline) -> None:
    with pipeline.transaction():
        for number in range(3):
            insert(pipeline, number, f"{number}")
            found = pipeline.send("SELECT text FROM numbers WHERE number = $1", (number,), answers=True)
            assert found == [(f"{number}",)]
        assert pipeline.send("SELECT text FROM numbers WHERE number = $1", (9,), answers=True) == []


def test_statements_that_are_sent_ahead_see_what_was_there_then(pipeline: Pipeline) -> None:
    counted = "SELECT count(*) FROM numbers"
    with pipeline.transaction():
        before = pipeline.ahead(counted, ())
        insert(pipeline, 1)
        after = pipeline.ahead(counted, ())
        # They come with the answer to another statement, and in any order.
        assert pipeline.send("SELECT 5", (), answers=True) == [(5,)]
        alone = pipeline.ahead(counted, ())
        assert [pipeline.rows_of(one) for one in (after, before, alone)] == [[(1,)], [(0,)], [(1,)]]
    assert pipeline.rows_of(before) == [(0,)]


def test_a_statement_that_was_sent_ahead_and_failed_undoes_all(
    pipeline: Pipeline, connection: psycopg.Connection[Any]
) -> None:
    def fail(*, reads: bool) -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            failed = pipeline.ahead("SELECT 1 / $1::bigint", (0,))
            if reads:
                pipeline.rows_of(failed)
                raise AssertionError

    for reads in (True, False):
        with pytest.raises(psycopg.errors.DivisionByZero):
            fail(reads=reads)
        assert count(connection) == 0


@pytest.mark.parametrize("notices", ["the next statement", "the end"])
def test_a_write_that_failed_undoes_all(pipeline: Pipeline, connection: psycopg.Connection[Any], notices: str) -> None:
    def fail() -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            insert(pipeline, 1)
            insert(pipeline, 2)
            if notices == "the next statement":
                pipeline.send("SELECT 1", (), answers=True)
                raise AssertionError

    with pytest.raises(psycopg.errors.UniqueViolation, match=r"^duplicate key .* \"numbers_pkey\""):
        fail()
    assert count(connection) == 0
    with pipeline.transaction():
        insert(pipeline, 1)
    assert count(connection) == 1


def test_a_statement_that_could_not_be_prepared_can_be_later(
    pipeline: Pipeline, connection: psycopg.Connection[Any]
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable), pipeline.transaction():
            pipeline.send("SELECT new FROM later", (), answers=True)
    connection.execute("CREATE TEMPORARY TABLE later AS SELECT 5 AS new")
    with pipeline.transaction():
        assert pipeline.send("SELECT new FROM later", (), answers=True) == [(5,)]


def test_what_the_caller_raises_undoes_all(pipeline: Pipeline, connection: psycopg.Connection[Any]) -> None:
    def fail() -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(connection) == 0


def test_a_commit_that_fails_undoes_all_and_the_connection_goes_on(
    pipeline: Pipeline, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "CREATE TEMPORARY TABLE parts (number BIGINT REFERENCES numbers (number) DEFERRABLE INITIALLY DEFERRED)"
    )

    def fail(*, paused: bool) -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            if paused:
                pipeline.pause()
            pipeline.send("INSERT INTO parts VALUES ($1)", (2,), answers=False)

    for paused in (False, True):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            fail(paused=paused)
        assert count(connection) == 0
        with pipeline.transaction():
            insert(pipeline, 3)
            assert pipeline.send("SELECT number FROM numbers", (), answers=True) == [(3,)]
        assert count(connection) == 1
        connection.execute("DELETE FROM numbers")


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_sent_before_and_after_a_pause_is_one_transaction(
    pipeline: Pipeline, connection: psycopg.Connection[Any], paused: bool
) -> None:
    def fail() -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            assert pipeline.send("SELECT number FROM numbers", (), answers=True) == [(1,)]
            if paused:
                pipeline.pause()
                connection.execute("INSERT INTO numbers VALUES (2, NULL)")
            insert(pipeline, 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(connection) == 0


def test_more_than_the_sockets_hold_in_both_directions(pipeline: Pipeline, connection: psycopg.Connection[Any]) -> None:
    with pipeline.transaction():
        for number in range(200):
            insert(pipeline, number, "x" * LARGE)
            pipeline.send("SELECT repeat('y', $1)", (LARGE,), answers=False)
        ((counted, length),) = pipeline.send(
            "SELECT count(*), sum(length(text))::bigint FROM numbers", (), answers=True
        )
    assert (counted, length) == (200, 200 * LARGE)
    assert count(connection) == 200


def test_others_use_the_connection_in_a_pause(pipeline: Pipeline, connection: psycopg.Connection[Any]) -> None:
    def fail() -> None:
        with pipeline.transaction():
            insert(pipeline, 1)
            pipeline.pause()
            assert count(connection) == 1
            pipeline.pause()
            insert(pipeline, 2)
            assert pipeline.send("SELECT count(*) FROM numbers", (), answers=True) == [(2,)]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(connection) == 0


def test_a_connection_that_cannot_be_put_in_order_is_not_used_again(postgres_url: str) -> None:
    with (
        psycopg.connect(postgres_url, autocommit=True) as lost,
        psycopg.connect(postgres_url, autocommit=True) as other,
    ):
        pipeline = Pipeline(lost)

        def fail() -> None:
            with pipeline.transaction():
                pipeline.send("SELECT 1", (), answers=True)
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [lost.info.backend_pid])
                raise ZeroDivisionError

        with pytest.raises(psycopg.OperationalError):
            fail()
        assert lost.closed


def test_connections_that_are_lost_are_replaced(postgres_url: str) -> None:
    """All at once, when the first of them fails: each thread has its own."""
    store = open_store(postgres_url)
    threads = range(WRITER_CONNECTIONS)
    together = threading.Barrier(len(threads), timeout=patience(30.0))

    def backend(transaction: sa.Connection) -> int:
        return int(transaction.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())

    def each(transaction: sa.Connection) -> int:
        together.wait()
        return backend(transaction)

    async def scenario() -> None:
        before = await asyncio.gather(*(store.run(each, thread) for thread in threads))
        assert len(set(before)) == len(threads)
        with psycopg.connect(postgres_url, autocommit=True) as other:
            for process in before:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
        with pytest.raises(Unavailable, match="the database does not answer"):
            await store.run(backend, "here")
        after = await asyncio.gather(*(store.run(each, thread) for thread in threads))
        assert not set(before) & set(after)

    asyncio.run(scenario())
    store.close()
