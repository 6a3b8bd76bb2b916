"""Output of the commands: a table in a terminal, otherwise lines of cells with tabs between them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Console
from rich.table import Table

from dodona import DeletedStudy, Explanation, Outlook, Study, TrialRecord, WorkerRecord
from dodona._space import Boolean, Categorical, Discrete, Float, Int, Parameter, Value, values_of
from dodona._text import line_of
from dodona_schemas.base import WireModel

SECONDS_OF = {"d": 86_400, "h": 3600, "min": 60}


Record = WireModel | TrialRecord | DeletedStudy | Explanation


def print_table(rows: Sequence[Mapping[str, str]], heads: Sequence[str], right: Iterable[str] = ()) -> None:
    """Print rows of cells.

    Args:
        rows: the cells by their column's head; a missing one is empty.
        heads: of the columns in order.
        right: the columns of numbers.
    """
    cells = [[line_of(row.get(head, "")) for head in heads] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(heads), *cells]:
            typer.echo("\t".join(row))
        return
    Console().print(table_of(cells, heads, right))


def table_of(cells: Iterable[Sequence[str]], heads: Sequence[str], right: Iterable[str] = ()) -> Table:
    """Return the table for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in set(right) else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    return table


def print_facts(facts: Mapping[str, str]) -> None:
    """Print named facts, one a line; empty ones are left out."""
    width = max(map(len, facts))
    for name, fact in facts.items():
        if fact:
            typer.echo(f"{name:{width}}  {line_of(fact)}")


def print_records(records: Sequence[WorkerRecord]) -> None:
    """Print records as indented JSON."""
    shown = [to_jsonable_python(asdict(one), timedelta_mode="float", inf_nan_mode="strings") for one in records]
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def print_json(content: Record | Sequence[Record]) -> None:
    """Print a study as the API has it, a trial or deleted study as its record, or a list of them, as indented JSON."""
    shown = [_plain(one) for one in content] if isinstance(content, Sequence) else _plain(content)
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def _plain(content: Record) -> Any:
    if isinstance(content, WireModel):
        return json.loads(content.to_json())
    return to_jsonable_python(asdict(content), timedelta_mode="float", inf_nan_mode="strings")


def number(value: float | None) -> str:
    """Return a number with the digits that matter; an empty text for none."""
    return "" if value is None else f"{value:.6g}"


def age(moment: datetime | None) -> str:
    """Return how long ago a moment was, such as "5 min"; an empty text for none."""
    return "" if moment is None else span(datetime.now(UTC) - moment)


def span(duration: timedelta) -> str:
    """Return a duration in its largest unit, such as "5 min"."""
    seconds = max(0.0, duration.total_seconds())
    for unit, size in SECONDS_OF.items():
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def outlook_facts(outlook: Outlook) -> dict[str, str]:
    """Return the used and the remaining budget of a study, as named facts."""
    left = [
        None if outlook.trials_left is None else f"{outlook.trials_left} trials",
        None if outlook.time_left is None else span(outlook.time_left),
        None if outlook.compute_left is None else f"{span(outlook.compute_left)} of compute",
        None if outlook.cost_left is None else f"{outlook.cost_left:,.2f} to spend",
    ]
    chance, cost = outlook.improvement_chance, outlook.cost
    return {
        "used": f"{span(outlook.compute)} of compute" + ("" if cost is None else f", which cost {cost:,.2f}"),
        "left": ", ".join(one for one in left if one),
        "chance": "" if chance is None else f"{chance:.0%} of a clear improvement",
    }


def text_of(value: Value | None) -> str:
    """Return a parameter's value; an empty text for none."""
    return number(value) if value is None or isinstance(value, float) else str(value)


def values(record: TrialRecord) -> str:
    """Return a trial's parameters as text."""
    return ", ".join(f"{name}={text_of(value)}" for name, value in record.parameters.items())


def measured(record: TrialRecord, metric: str) -> float | None:
    """Return a trial's final value of a metric, or its last one while it runs; None before the first."""
    if metric in record.metrics:
        return record.metrics[metric]
    found = (one.metrics[metric] for one in reversed(record.measurements) if metric in one.metrics)
    return next(found, None)


def trial_cells(study: Study, record: TrialRecord) -> dict[str, str]:
    """Return the row of a trial; the columns of its metrics have their names."""
    step = record.step or (record.measurements[-1].step if record.measurements else 0)
    lasted = "" if record.start is None else span((record.end or datetime.now(UTC)) - record.start)
    row = {"trial": str(record.number), "state": record.state, "step": str(step or ""), "worker": record.worker or ""}
    row |= {name: number(measured(record, name)) for name in study.metrics}
    return row | {"time": lasted, "parameters": values(record)}


def trial_heads(study: Study) -> list[str]:
    """Return the columns of a table of trials."""
    return ["trial", "state", "step", *study.metrics, "time", "worker", "parameters"]


def space_rows(space: Mapping[str, Parameter], indent: str = "") -> list[dict[str, str]]:
    """Return a row for each parameter, each followed by its children with the values that they need."""
    rows = []
    for name, parameter in space.items():
        rows.append({"parameter": indent + name, "values": _range(parameter)})
        for values, children in parameter.children.items():
            some = ", ".join(map(str, values_of(values)))
            rows.append({"parameter": f"{indent}  if {name} is {some}:"})
            rows += space_rows(children, indent + "    ")
    return rows


def _range(parameter: Parameter) -> str:
    match parameter:
        case Float(low, high) | Int(low, high):
            kind = "float" if isinstance(parameter, Float) else "int"
            text = f"{kind} from {low:g} to {high:g}"
        case Categorical(choices):
            text = ", ".join(map(str, choices))
        case Discrete(numbers):
            text = ", ".join(map(str, numbers))
        case Boolean():
            text = "true, false"
    scale = getattr(parameter, "scale", "linear")
    logarithmic = "" if scale == "linear" else f", {scale} scale"
    default = "" if parameter.default is None else f", default {parameter.default}"
    prior = parameter.prior
    believed = "" if prior is None else f", best near {' or '.join(map(text_of, prior.values))} ({prior.sure})"
    return f"{text}{logarithmic}{default}{believed}"


def state_of(study: Study) -> str:
    """Return a study's state, with the reason for it."""
    reason = study.wire.inactive_reason or study.wire.completion_reason
    return f"{study.state}: {reason}" if reason else study.state
