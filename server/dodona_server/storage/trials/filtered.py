"""Lists of trials by any condition and in the order of any column.

No index has these columns, so a list reads all trials of its study: 100 000 take some tenths of a second. Values of a
condition are parameters of the statement, never part of its text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from dodona_server.domain.metadata import NOTE, TAGS
from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.filters import (
    Both,
    Column,
    Comparison,
    Condition,
    Constant,
    Contains,
    Flag,
    Kind,
    Not,
    Operand,
    Sorting,
    Source,
)
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import trials
from dodona_server.storage.trials.rows import IN_STUDY, NOTED, read_trial


class json_value(FunctionElement[Any]):  # noqa: N801 - a function of SQL
    """A value in JSON text by its key, as text; null if there is none.

    Args:
        column: with an object, or with a list whose third entry is one.
        key: of the value.
        listed: whether it is such a list.
        number: whether the value is a number; null if it is none, or not finite.
    """

    inherit_cache = False

    def __init__(self, column: sa.ColumnElement[Any], key: str, *, listed: bool = False, number: bool = False) -> None:
        super().__init__(column, sa.literal(key, sa.String))
        self.listed, self.number = listed, number
        self.type = sa.Double() if number else sa.String()


@compiles(json_value, "sqlite")
def _sqlite_value(element: json_value, compiler: Any, **options: Any) -> str:
    column, key = (compiler.process(clause, **options) for clause in element.clauses)
    place = f"{column}, '$[2]'" if element.listed else column
    # By the key itself: a path could not have any name.
    kinds = " AND type IN ('integer', 'real')" if element.number else ""
    return f"(SELECT value FROM json_each({place}) WHERE key = {key}{kinds})"  # noqa: S608 - parameters  # nosec B608


@compiles(json_value, "postgresql")
def _postgresql_value(element: json_value, compiler: Any, **options: Any) -> str:
    column, key = (compiler.process(clause, **options) for clause in element.clauses)
    place = f"(CAST({column} AS JSON) -> 2)" if element.listed else f"CAST({column} AS JSON)"
    text = f"({place} ->> {key})"
    if not element.number:
        return text
    return f"(CASE WHEN {text} ~ '^[-+0-9.eE]+$' THEN CAST({text} AS DOUBLE PRECISION) END)"


class step_of(FunctionElement[Any]):  # noqa: N801 - a function of SQL
    """Step of a final measurement."""

    inherit_cache = True
    type = sa.BigInteger()


@compiles(step_of, "sqlite")
def _sqlite_step(element: step_of, compiler: Any, **options: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **options)}, '$[0]')"


@compiles(step_of, "postgresql")
def _postgresql_step(element: step_of, compiler: Any, **options: Any) -> str:
    return f"CAST(CAST({compiler.process(element.clauses, **options)} AS JSON) ->> 0 AS BIGINT)"


_OBJECTIVE = sa.func.coalesce(trials.c.objective, trials.c.partial_objective)
_TAGS = json_value(trials.c.metadata, TAGS)
_STOPPED = sa.or_(trials.c.partial_objective.is_not(None), trials.c.state == TrialState.STOPPING.value)
_OF_TRIAL: dict[str, sa.ColumnElement[Any]] = {
    "trial": trials.c.number,
    "state": trials.c.state,
    "objective": _OBJECTIVE,
    "worker": trials.c.client_id,
    "attempt": trials.c.attempt,
    "step": step_of(trials.c.final_measurement),
    "created": trials.c.create_time,
    "started": trials.c.start_time,
    "ended": trials.c.end_time,
    "duration": trials.c.end_time - trials.c.start_time,
    "stopped": _STOPPED,
    "reason": trials.c.infeasible_reason,
    "note": json_value(trials.c.metadata, NOTE),
    "tags": _TAGS,
}
_OPERATORS: dict[str, Callable[[Any, Any], sa.ColumnElement[Any]]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    # Nothing is divided by 0: there is then no value.
    "/": lambda one, other: sa.cast(one, sa.Double) / sa.func.nullif(sa.cast(other, sa.Double), 0.0),
}


def page(
    transaction: Transaction,
    study: Study,
    condition: Condition | None,
    order: Sorting | None,
    skipped: int,
    limit: int,
    after: int = 0,
) -> Page[Trial]:
    """Return a page of the trials that match, without measurements, with short metadata.

    Args:
        transaction: to read in.
        study: whose trials are listed.
        condition: that they fulfil; None for all.
        order: of the list; None for their numbers.
        skipped: how many of them precede the page.
        limit: the largest number of trials.
        after: only trials with a number above this one.
    """
    rows = NOTED.where(*_where(condition), trials.c.number > bindparam("after"))
    if order is not None:
        value = _column(order.column)
        rows = rows.order_by(value.is_(None), value.desc() if order.descending else value)
    rows = rows.order_by(trials.c.number).limit(bindparam("limit")).offset(bindparam("skipped"))
    parameters = {"of_study": study.key, "after": after, "limit": limit + 1, "skipped": skipped}
    found = [read_trial(row) for row in Statement(rows).rows(transaction, parameters)]
    return Page(found[:limit], len(found) > limit)


def count(transaction: Transaction, study: Study, condition: Condition) -> int:
    """Return how many trials of the study match."""
    query = sa.select(sa.func.count()).select_from(trials).where(*_where(condition))
    counted: int = Statement(query).value(transaction, {"of_study": study.key})
    return counted


def _where(condition: Condition | None) -> list[sa.ColumnElement[bool]]:
    return [IN_STUDY] if condition is None else [IN_STUDY, _clause(condition)]


def _clause(condition: Condition) -> sa.ColumnElement[bool]:
    match condition:
        case Comparison(operator, left, right):
            return _OPERATORS[operator](_value(left), _value(right))
        case Contains(column, text):
            return _contains(column, text)
        case Flag(column):
            return sa.and_(_column(column))
        case Not(inner):
            return sa.not_(_clause(inner))
        case Both(conditions, any=is_any):
            clauses = [_clause(one) for one in conditions]
            return sa.or_(sa.false(), *clauses) if is_any else sa.and_(sa.true(), *clauses)


def _contains(column: Column, text: str) -> sa.ColumnElement[bool]:
    if column.kind is Kind.TAGS:
        return (sa.literal(",") + _TAGS + ",").contains(f",{text},", autoescape=True)
    return sa.func.lower(_column(column)).contains(text.lower(), autoescape=True)


def _value(operand: Operand) -> Any:
    match operand:
        case Column():
            return _column(operand)
        case Constant(value=value):
            return sa.literal(value, sa.String() if isinstance(value, str) else sa.Double())
        case _:
            return _OPERATORS[operand.operator](_value(operand.left), _value(operand.right))


def _column(column: Column) -> Any:
    if column.source is Source.TRIAL:
        return _OF_TRIAL[column.name]
    is_number = column.kind is Kind.NUMBER
    if column.source is Source.METRIC:
        return json_value(trials.c.final_measurement, column.name, listed=True, number=is_number)
    return json_value(trials.c.parameters, column.name, number=is_number)
