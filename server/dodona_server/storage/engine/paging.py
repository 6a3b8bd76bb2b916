"""Pages are limited in bytes and in entries: the sizes of rows are read first, then as many rows as fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from dodona_server.domain.page import Page
from dodona_server.storage.engine.statement import Row, Statement
from dodona_server.storage.engine.store import Transaction

T = TypeVar("T")

# For the texts on a page; as JSON they are about twice as large.
PAGE_BYTES = 4 * 2**20
# The size of a row without its texts.
ROW_BYTES = 256


class octets(FunctionElement[int]):  # noqa: N801 - a function of SQL
    """Length of a text in bytes; 0 for none. PostgreSQL knows it without reading the text."""

    type = sa.Integer()
    inherit_cache = True


@compiles(octets, "sqlite")
def _sqlite(element: octets, compiler: Any, **options: Any) -> str:
    return f"coalesce(length(CAST({compiler.process(element.clauses, **options)} AS BLOB)), 0)"


@compiles(octets, "postgresql")
def _postgresql(element: octets, compiler: Any, **options: Any) -> str:
    return f"coalesce(octet_length({compiler.process(element.clauses, **options)}), 0)"


def sizes(page: sa.Select[Any], *texts: sa.ColumnElement[Any], key: sa.ColumnElement[Any] | None = None) -> Statement:
    """Return the statement that yields the `size` of each row of a page, its texts in bytes, and its key."""
    size: sa.ColumnElement[Any] = sa.literal_column(str(ROW_BYTES), sa.Integer)
    for text in texts:
        size = size + octets(text)
    keys = [] if key is None else [key]
    return Statement(page.with_only_columns(*keys, size.label("size"), maintain_column_froms=True))


def within(of_rows: Iterable[int]) -> int:
    """Return how many of the first rows of these sizes fit on a page, at least one."""
    count = total = 0
    for size in of_rows:
        total += size
        if count and total > PAGE_BYTES:
            break
        count += 1
    return count


def page_of(
    transaction: Transaction,
    rows: Statement,
    of_rows: Statement,
    parameters: Mapping[str, Any],
    read: Callable[[Row], T],
) -> Page[T]:
    """Return as many of the first rows as fit on a page, at least one.

    Args:
        transaction: the transaction to read in; it must see one state of the database.
        rows: the statement for the rows in order, up to `limit` of them.
        of_rows: the statement for their `sizes`.
        parameters: the parameters of both statements; `limit` is the largest number of rows.
        read: returns the entry for a row.
    """
    limit: int = parameters["limit"]
    seen = 0

    def of_each() -> Iterator[int]:
        nonlocal seen
        for row in of_rows.each(transaction, {**parameters, "limit": limit + 1}):
            seen += 1
            yield row["size"]

    fitting = min(limit, within(of_each()))
    if not fitting:
        return Page([])
    return Page([read(row) for row in rows.rows(transaction, {**parameters, "limit": fitting})], seen > fitting)
