"""Statements of SQLAlchemy Core, compiled once for each database and sent by its driver.

The seam: query modules only create a `Statement` and call its methods. Below those, `send`, `send_ahead` and `stream`
are the only functions that bypass SQLAlchemy, and the only users of `pipeline`. The plain way,
`transaction.execute(clause)`, works in the same transaction, and returns the same rows.

Core writes the SQL for both databases. Its own execution costs two to four times as much as the drivers'. It would be
most of the cost of a call of the trial loop (docs/performance.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam, exc
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from dodona_server.storage.engine.store import Transaction, note_write

Row = dict[str, Any]
NOTHING: Mapping[str, Any] = {}
# The keys of a connection's `info`: PostgreSQL's `Pipeline`, and what executes statements outside of one.
PIPELINE = "pipeline"
CURSOR = "cursor"
# With numbered parameters, PostgreSQL's driver need not search the text for names.
_PARAMETER_STYLES = {"sqlite": "named", "postgresql": "numeric_dollar"}


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement for one database.

    Args:
        text: the SQL.
        values: the parameters that the statement itself contains.
        order: the names of the parameters by their numbers; None if the text names them.
        columns: the names of the columns in the answer.
    """

    text: str
    values: Mapping[str, Any]
    order: Sequence[str] | None
    columns: Sequence[str]

    def bind(self, given: Mapping[str, Any]) -> Any:
        """Return the parameters in the driver's form."""
        named = {**self.values, **given} if self.values else given
        return named if self.order is None else [named[name] for name in self.order]


class Statement:
    """A statement that is sent many times.

    Args:
        clause: the statement; the names of its parameters never change, and no parameter is a list.
    """

    def __init__(self, clause: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete) -> None:
        self._clause = clause
        self._writes = not isinstance(clause, sa.Select)
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, transaction: Transaction, parameters: Mapping[str, Any] = NOTHING) -> list[Row]:
        """Return all rows of the answer."""
        compiled = self._for(transaction, parameters)
        answer = send(transaction, compiled.text, compiled.bind(parameters), answers=True)
        return [dict(zip(compiled.columns, row, strict=True)) for row in answer]

    def ahead(self, transaction: Transaction, parameters: Mapping[str, Any] = NOTHING) -> Callable[[], list[Row]]:
        """Send the statement together with the next one whose answer is needed; the result returns its rows."""
        compiled = self._for(transaction, parameters)
        rows = send_ahead(transaction, compiled.text, compiled.bind(parameters))
        return lambda: [dict(zip(compiled.columns, row, strict=True)) for row in rows()]

    def each(self, transaction: Transaction, parameters: Mapping[str, Any] = NOTHING) -> Iterator[Row]:
        """Yield the rows of the answer one by one; on SQLite each is read only on demand."""
        if transaction.dialect.name != "sqlite":
            yield from self.rows(transaction, parameters)
            return
        compiled = self._for(transaction, parameters)
        for row in stream(transaction, compiled.text, compiled.bind(parameters)):
            yield dict(zip(compiled.columns, row, strict=True))

    def row(self, transaction: Transaction, parameters: Mapping[str, Any] = NOTHING) -> Row | None:
        """Return the first row of the answer, or None."""
        rows = self.rows(transaction, parameters)
        return rows[0] if rows else None

    def value(self, transaction: Transaction, parameters: Mapping[str, Any] = NOTHING) -> Any:
        """Return the first column of the first row; None if there is no row."""
        row = self.row(transaction, parameters)
        return None if row is None else next(iter(row.values()))

    def run(self, transaction: Transaction, parameters: Mapping[str, Any] = NOTHING) -> None:
        """Execute a change; an error of PostgreSQL may show at a later statement, or at the transaction's end."""
        compiled = self._for(transaction, parameters)
        send(transaction, compiled.text, compiled.bind(parameters), answers=False)

    def run_each(self, transaction: Transaction, parameters: Iterable[Mapping[str, Any]]) -> None:
        """Execute the change once for each of `parameters`."""
        for each in parameters:
            self.run(transaction, each)

    def _for(self, transaction: Transaction, parameters: Mapping[str, Any]) -> _Compiled:
        if self._writes:
            note_write(transaction)
        name = transaction.dialect.name
        if name not in self._compiled:
            self._compiled[name] = _compile(self._clause, transaction.dialect, parameters)
        return self._compiled[name]


class in_selected(FunctionElement[bool]):  # noqa: N801 - a function of SQL
    """Condition that a column's value is among those that an independent query selects.

    On PostgreSQL this is an array: a plan for IN that was made while a table was small is kept, and scans all rows.
    """

    inherit_cache = True
    type = sa.Boolean()

    def __init__(self, column: sa.Column[Any], selected: sa.Select[Any] | FunctionElement[Any]) -> None:
        super().__init__(column, selected.scalar_subquery() if isinstance(selected, sa.Select) else selected)

    def self_group(self, against: Any = None) -> Any:  # noqa: ARG002 - SQLAlchemy's
        """Return the condition unchanged: SQLAlchemy would append `= 1`, and SQLite would not use an index."""
        return self


@compiles(in_selected, "sqlite")
def _sqlite_selected(element: in_selected, compiler: Any, **options: Any) -> str:
    column, selected = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN {selected}"


@compiles(in_selected, "postgresql")
def _postgresql_selected(element: in_selected, compiler: Any, **options: Any) -> str:
    column, selected = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY{selected})"


class json_numbers(FunctionElement[int]):  # noqa: N801 - a function of SQL
    """Numbers in JSON text: a list of any length as a single parameter."""

    inherit_cache = True


@compiles(json_numbers, "sqlite")
def _sqlite_numbers(element: json_numbers, compiler: Any, **options: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **options)}))"  # noqa: S608 - a parameter  # nosec B608


@compiles(json_numbers, "postgresql")
def _postgresql_numbers(element: json_numbers, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST({text} AS JSON)))"  # noqa: S608 - a parameter  # nosec B608


class json_texts(FunctionElement[str]):  # noqa: N801 - a function of SQL
    """Texts in JSON text, like `json_numbers`."""

    inherit_cache = True


@compiles(json_texts, "sqlite")
def _sqlite_texts(element: json_texts, compiler: Any, **options: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **options)}))"  # noqa: S608 - a parameter  # nosec B608


@compiles(json_texts, "postgresql")
def _postgresql_texts(element: json_texts, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"(SELECT value FROM json_array_elements_text(CAST({text} AS JSON)))"  # noqa: S608 - a parameter  # nosec B608


def one_of(column: sa.Column[int], name: str) -> sa.ColumnElement[bool]:
    """Return whether the column has one of the numbers in the parameter `name`, which is JSON text."""
    return in_selected(column, json_numbers(bindparam(name, type_=sa.String)))


def insert_into(table: sa.Table, dialect: str) -> Any:
    """Return an INSERT of the database's own dialect, which can handle a row that already exists."""
    # Imported on demand: the dialect of the other database takes a tenth of a second.
    return importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


def _compile(
    clause: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete, dialect: sa.Dialect, parameters: Mapping[str, Any]
) -> _Compiled:
    styled: Any = type(dialect)
    inserted = list(parameters) if isinstance(clause, sa.Insert) else None
    compiled: Any = clause.compile(dialect=styled(paramstyle=_PARAMETER_STYLES[dialect.name]), column_keys=inserted)
    return _Compiled(
        text=str(compiled),
        values={name: bind.value for name, bind in compiled.binds.items() if not bind.required},
        order=compiled.positiontup,
        columns=[str(column.key) for column in clause.exported_columns],
    )


def send(transaction: Transaction, text: str, parameters: Any, *, answers: bool) -> Sequence[Sequence[Any]]:
    """Return the rows that a statement answers with.

    Args:
        transaction: the transaction to send it in.
        text: the statement.
        parameters: in the driver's form.
        answers: whether the statement returns rows to wait for.
    """
    info = transaction.info
    try:
        if (pipeline := info.get(PIPELINE)) is not None and pipeline.is_open:
            rows: Sequence[Sequence[Any]] = pipeline.send(text, parameters, answers=answers)
            return rows
        if not transaction.in_transaction():
            transaction.begin()
        cursor = (info.get(CURSOR) or _new_cursor(transaction)).execute(text, parameters)
        return cursor.fetchall() if answers else ()
    except transaction.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy(transaction, error) from error


def send_ahead(transaction: Transaction, text: str, parameters: Any) -> Callable[[], Sequence[Sequence[Any]]]:
    """Send a statement whose rows are needed later, and return a function that returns them; see `send`."""
    pipeline = transaction.info.get(PIPELINE)
    if pipeline is None or not pipeline.is_open:
        rows = send(transaction, text, parameters, answers=True)
        return lambda: rows
    sent = pipeline.ahead(text, parameters)

    def received() -> Sequence[Sequence[Any]]:
        try:
            rows: Sequence[Sequence[Any]] = pipeline.rows_of(sent)
            return rows
        except transaction.dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemy(transaction, error) from error

    return received


def stream(transaction: Transaction, text: str, parameters: Any) -> Iterator[Sequence[Any]]:
    """Yield the rows of SQLite's answer, each read on demand."""
    dbapi: Any = transaction.dialect.loaded_dbapi
    try:
        if not transaction.in_transaction():
            transaction.begin()
        cursor = (transaction.info.get(CURSOR) or _new_cursor(transaction)).execute(text, parameters)
        try:
            yield from cursor
        finally:
            cursor.close()
    except dbapi.Error as error:
        raise as_sqlalchemy(transaction, error) from error


def as_sqlalchemy(transaction: Transaction, error: Any) -> Exception:
    """Return a driver's error as SQLAlchemy would raise it, and mark a lost connection as unusable."""
    dbapi: Any = transaction.dialect.loaded_dbapi
    if not transaction.invalidated and transaction.dialect.is_disconnect(
        error, transaction.connection.driver_connection, None
    ):
        transaction.invalidate()
    wrapped: Exception = exc.DBAPIError.instance(
        None, None, error, dbapi.Error, hide_parameters=True, dialect=transaction.dialect
    )
    return wrapped


def _new_cursor(transaction: Transaction) -> Any:
    """Return an object with `execute` from the database's driver; each connection keeps one."""
    cursor: Any = transaction.connection.driver_connection
    if transaction.dialect.name != "sqlite":
        from psycopg import RawCursor

        cursor = RawCursor(cursor)
    transaction.info[CURSOR] = cursor
    return cursor
