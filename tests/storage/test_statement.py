"""A statement sent by the driver does what the same clause does through SQLAlchemy, in one transaction."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.tables.core import requests

ROW = {
    "study_key": 1,
    "location": "",
    "request_id": "one",
    "call": "caf\u00e9 \U0001f600 % :x $1",
    "result": "",
    "forget_time": 1.5e9 + 1 / 3,
}


@pytest.fixture
def store(database_url):
    opened = open_store(database_url)
    yield opened
    opened.close()


def by_sqlalchemy(transaction, clause, parameters):
    return [dict(row) for row in transaction.execute(clause, parameters).mappings()]


def test_rows_are_those_of_sqlalchemy(store):
    clause = sa.select(requests).where(requests.c.forget_time < bindparam("before")).order_by(requests.c.request_id)
    parameters = {"before": 2e9}

    def both(transaction):
        Statement(requests.insert()).run(transaction, ROW)
        transaction.execute(requests.insert(), {**ROW, "request_id": "two"})
        statement = Statement(clause)
        ahead = statement.ahead(transaction, parameters)
        plain = by_sqlalchemy(transaction, clause, parameters)
        return plain, ahead(), statement.rows(transaction, parameters), list(statement.each(transaction, parameters))

    plain, *sent = asyncio.run(store.run(both))
    assert plain == [ROW, {**ROW, "request_id": "two"}]
    assert sent == [plain, plain, plain]


def test_an_error_is_that_of_sqlalchemy(store):
    def fails(insert):
        def twice(transaction):
            insert(transaction)
            insert(transaction)

        return twice

    for insert in (
        lambda transaction: Statement(requests.insert()).run(transaction, ROW),
        lambda transaction: transaction.execute(requests.insert(), ROW),
    ):
        with pytest.raises(sa.exc.IntegrityError):
            asyncio.run(store.run(fails(insert)))
    assert asyncio.run(store.read(lambda transaction: by_sqlalchemy(transaction, sa.select(requests), {}))) == []
