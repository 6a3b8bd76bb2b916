"""The statements that a use of the store sends, and what is wrong with the plans that databases make for them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from dodona_server.domain.studies.study import Study
from dodona_server.storage.engine import statement
from dodona_server.storage.engine.store import Transaction
from tests.storage.uses import Use

BIG_TABLES = {"trials", "measurements", "curves", "operations", "events", "requests", "artifacts"}
# How many steps of SQLite's machine, and rows that PostgreSQL reads, one statement may take: some for each row that it
# answers with, whereas one that walks through a table takes several for each of 50 000 rows.
MAX_STEPS = 25_000
MAX_ROWS_READ = 1_000


@dataclasses.dataclass
class Sent:
    """A statement that was sent, by the driver alone or by SQLAlchemy, and how many steps SQLite took to answer it."""

    statement: str
    parameters: Any
    alone: bool
    steps: int = 0

    def explained(self, transaction: Transaction, how: str) -> Any:
        """What the database answers to the statement behind the words `how`."""
        text = f"{how} {self.statement}"
        if self.alone:
            return statement.send(transaction, text, self.parameters, answers=True)
        return transaction.exec_driver_sql(text, self.parameters).all()


def sent(transaction: Transaction, use: Use, study: Study) -> list[Sent]:
    """The statements that a use sends."""
    statements: list[Sent] = []

    def keep(_c: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        statements.append(Sent(text, parameters[0] if many else parameters, alone=False))

    def keep_and_send(to: Transaction, text: str, parameters: Any, *, answers: bool) -> Any:
        statements.append(Sent(text, parameters, alone=True))
        return send(to, text, parameters, answers=answers)

    def keep_and_stream(to: Transaction, text: str, parameters: Any) -> Any:
        statements.append(Sent(text, parameters, alone=True))
        return stream(to, text, parameters)

    def step() -> None:
        # Also when rows are fetched, until the next statement is sent.
        statements[-1].steps += 100

    send, stream = statement.send, statement.stream
    event.listen(transaction, "before_cursor_execute", keep)
    driver: Any = transaction.connection.driver_connection
    if transaction.dialect.name == "sqlite":
        driver.set_progress_handler(step, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statement, "send", keep_and_send)
        patch.setattr(statement, "stream", keep_and_stream)
        use(transaction, study)
    if transaction.dialect.name == "sqlite":
        driver.set_progress_handler(None, 0)
    event.remove(transaction, "before_cursor_execute", keep)
    return statements


def sqlite_faults(transaction: Transaction, one: Sent) -> list[str]:
    plan = query_plan(transaction, one)
    wrong = [step for step in plan if (scanned := re.match(r"SCAN (\w+)", step)) and scanned[1] in BIG_TABLES]
    if one.steps > MAX_STEPS:
        wrong.append(f"{one.steps} steps by {plan}")
    return wrong


def query_plan(transaction: Transaction, one: Sent) -> list[str]:
    return [row[3] for row in one.explained(transaction, "EXPLAIN QUERY PLAN")]


def postgres_faults(transaction: Transaction, one: Sent, vacuumed: bool) -> list[str]:
    if one.statement.startswith("INSERT"):
        return []
    plans = [generic_plan(transaction, one), plan_for(transaction, one, "")]
    wrong = [
        f"a sequential scan of {node['Relation Name']}"
        for plan in plans
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG_TABLES
    ]
    # Without statistics PostgreSQL may think that a study has few trials, and read and sort them all.
    if vacuumed and one.statement.startswith("SELECT"):
        measured = plan_for(transaction, one, "ANALYZE, ")
        wrong += [f"{read:.0f} rows by {name}" for name, read in rows_read(measured) if read > MAX_ROWS_READ]
    return wrong


def plan_for(transaction: Transaction, one: Sent, how: str) -> dict[str, Any]:
    """The plan for the parameters that were sent."""
    plan: dict[str, Any] = one.explained(transaction, f"EXPLAIN ({how}FORMAT JSON)")[0][0][0]["Plan"]
    return plan


def generic_plan(transaction: Transaction, one: Sent) -> dict[str, Any]:
    """The plan for any parameters: the driver prepares statements that come often, and PostgreSQL may then take it."""
    names = list(one.parameters)
    text = one.statement
    if not one.alone:
        text = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", text).replace("%%", "%")
    nothing = f"({', '.join(['NULL'] * len(names))})" if names else ""
    for prepared in ("SET LOCAL plan_cache_mode = force_generic_plan", f"PREPARE judged AS {text}"):
        transaction.exec_driver_sql(prepared.replace("%", "%%"))
    explain = f"EXPLAIN (FORMAT JSON) EXECUTE judged{nothing}"
    plan: dict[str, Any] = transaction.exec_driver_sql(explain).scalar_one()[0]["Plan"]
    transaction.exec_driver_sql("DEALLOCATE judged")
    return plan


def rows_read(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Each table and index of a plan that was run, and how many of its rows were read."""
    for node in nodes(plan):
        name = node.get("Index Name", node.get("Relation Name"))
        if name is not None:
            dropped = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
            yield f"{node['Node Type']} {name}", (node["Actual Rows"] + dropped) * node["Actual Loops"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
