"""Filters of trials: expressions of their columns in the words of Python, such as `rate < 0.01 and loss < 1`.

    expression  or, and, not, parentheses
    comparison  < <= > >= == != and chains such as 0.1 < rate < 0.2; in and not in with a list; "text" in a column
    value       a column, a number, a text, + - * /
    column      one of `COLUMNS`, a metric or a parameter; parameters["a name"] and metrics["a name"] for any name

A trial that lacks a value matches no comparison with it.
"""

from __future__ import annotations

import ast
import enum
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical
from dodona_server.domain.studies.study import Goal, StudySpec
from dodona_server.domain.trials.trial import TrialState

MAX_LENGTH = 2000
MAX_PARTS = 200
MAX_NUMBER = sys.float_info.max


class Kind(enum.Enum):
    """Kind of a column's values."""

    NUMBER = "a number"
    TEXT = "a text"
    TIME = "a time"
    FLAG = "true or false"
    TAGS = "tags"


class Source(enum.Enum):
    """Source of a column's values."""

    TRIAL = "trial"
    METRIC = "metrics"
    PARAMETER = "parameters"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of trials."""

    name: str
    kind: Kind
    source: Source = Source.TRIAL


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, or a text."""

    value: float | int | str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Sum:
    """Arithmetic on two numbers, by one of + - * /."""

    operator: str
    left: Operand
    right: Operand
    kind: Kind = Kind.NUMBER


Operand = Column | Constant | Sum


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of two values of the same kind, by one of < <= > >= == !=."""

    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Contains:
    """Condition that a text contains another one, ignoring case, or that the tags contain a tag."""

    column: Column
    text: str


@dataclass(frozen=True, slots=True)
class Flag:
    """Condition that a column of true and false is true."""

    column: Column


@dataclass(frozen=True, slots=True)
class Not:
    """Opposite of a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """Conditions of which all must hold, or any."""

    conditions: Sequence[Condition]
    any: bool = False


Condition = Comparison | Contains | Flag | Not | Both


@dataclass(frozen=True, slots=True)
class Sorting:
    """Order of a list: by a column, trials without a value last, equal ones by number."""

    column: Column
    descending: bool = False


COLUMNS = {
    column.name: column
    for column in (
        Column("trial", Kind.NUMBER),
        Column("state", Kind.TEXT),
        Column("objective", Kind.NUMBER),
        Column("worker", Kind.TEXT),
        Column("attempt", Kind.NUMBER),
        Column("step", Kind.NUMBER),
        Column("created", Kind.TIME),
        Column("started", Kind.TIME),
        Column("ended", Kind.TIME),
        Column("duration", Kind.NUMBER),
        Column("stopped", Kind.FLAG),
        Column("reason", Kind.TEXT),
        Column("note", Kind.TEXT),
        Column("tags", Kind.TAGS),
    )
}
# Pages call these states by other names than the protocol.
_STATES_ON_PAGES = {"queued": TrialState.REQUESTED, "running": TrialState.ACTIVE, "failed": TrialState.INFEASIBLE}
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CALCULATED: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def read_filter(text: str, spec: StudySpec) -> Condition:
    """Return the condition in a filter.

    Args:
        text: the expression.
        spec: of the study whose trials are filtered.

    Raises:
        InvalidArgument: it is no such expression; the message names the part and its place.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidArgument(f"{len(text)} characters; {MAX_LENGTH} are allowed", "filter")
    try:
        parsed = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        hint = "; write == to compare" if "=" in text and "==" not in text else ""
        raise InvalidArgument(f"{text!r} cannot be understood{place}{hint}", "filter") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidArgument("it cannot be understood: it has a null character, or is too deep", "filter") from error
    if sum(1 for _ in ast.walk(parsed)) > MAX_PARTS:
        raise InvalidArgument(f"it has more than {MAX_PARTS} parts", "filter")
    return _Reader(text.strip(), spec).condition(parsed.body)


def read_order(text: str, spec: StudySpec) -> Sorting:
    """Return the order in a text such as "loss", "loss asc" or "loss desc"; "objective" means the best first.

    Raises:
        InvalidArgument: there is no such column.
    """
    name, _, direction = text.strip().rpartition(" ")
    if direction.lower() not in ("asc", "desc") or not name:
        name, direction = text.strip(), ""
    column = column_named(name.strip(), spec)
    if column is None:
        raise InvalidArgument(f"there is no column {name!r}; {known(spec)}", "order_by")
    if column == COLUMNS["objective"] and not direction:
        return Sorting(column, spec.objective.goal is Goal.MAXIMIZE)
    return Sorting(column, direction.lower() == "desc")


def columns_of(spec: StudySpec) -> list[Column]:
    """Return the columns of a study's metrics and parameters, each once."""
    metrics = [Column(metric.id, Kind.NUMBER, Source.METRIC) for metric in spec.metrics]
    kinds: dict[str, Kind] = {}
    for _, parameter in spec.space.walk():
        kind = Kind.TEXT if isinstance(parameter.kind, Categorical) else Kind.NUMBER
        # The same name may stand for different kinds on two branches.
        kinds[parameter.id] = kind if kinds.get(parameter.id, kind) is kind else Kind.TEXT
    return metrics + [Column(name, kind, Source.PARAMETER) for name, kind in kinds.items()]


def column_named(name: str, spec: StudySpec, source: Source | None = None) -> Column | None:
    """Return the column of that name: of trials, else a metric, else a parameter; or only one of `source`."""
    if source is None:
        for prefix in (Source.METRIC, Source.PARAMETER):
            if name.startswith(f"{prefix.value}."):
                return column_named(name.removeprefix(f"{prefix.value}."), spec, prefix)
        if name in COLUMNS:
            return COLUMNS[name]
    found = [one for one in columns_of(spec) if one.name == name and source in (None, one.source)]
    return found[0] if found else None


def known(spec: StudySpec) -> str:
    """Return which columns there are, for an error."""
    names = [*COLUMNS, *dict.fromkeys(one.name for one in columns_of(spec))]
    more = f" and {len(names) - 40} more" if len(names) > 40 else ""
    return f"the columns are {', '.join(names[:40])}{more}"


def _is_stored(text: str) -> bool:
    """Return whether databases accept the text: it has no null character and no half of a character."""
    return "\0" not in text and not any(0xD800 <= ord(one) < 0xE000 for one in text)


class _Reader:
    """Makes conditions of Python's syntax tree; whatever is not listed here is refused."""

    def __init__(self, text: str, spec: StudySpec) -> None:
        self._text = text
        self._spec = spec

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=operator, values=values):
                return Both([self.condition(one) for one in values], any=isinstance(operator, ast.Or))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.condition(operand))
            case ast.Compare(left=left, ops=operators, comparators=rights):
                sides = [left, *rights]
                pairs = zip(sides, operators, rights, strict=False)
                compared = [self._compare(one, operator, other) for one, operator, other in pairs]
                return compared[0] if len(compared) == 1 else Both(compared)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                column = self._column(node)
                if column.kind is Kind.FLAG:
                    return Flag(column)
                raise self._refusal(node, "is not a condition; compare it with a value")
            case _:
                raise self._refusal(node, "is not a condition")

    def _compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(operator, ast.In | ast.NotIn):
            found = self._among(left, right)
            return Not(found) if isinstance(operator, ast.NotIn) else found
        if type(operator) not in _COMPARED:
            raise self._refusal(left, "is compared in a way that is not possible; use < <= > >= == != or in")
        sign = _COMPARED[type(operator)]
        one, other = self._operand(left), self._operand(right)
        if isinstance(one, Column) and one.kind in (Kind.FLAG, Kind.TAGS):
            return self._of_flag(one, sign, right)
        if isinstance(one, Constant) and isinstance(other, Column):
            one, other, left, right, sign = other, one, right, left, _MIRRORED[sign]
        if isinstance(one, Column) and isinstance(other, Constant):
            other = self._fitting(one, other, right)
        kinds = {one.kind, other.kind}
        if len(kinds) > 1:
            raise self._refusal(right, f"is {other.kind.value}, but {self._source(left)} is {one.kind.value}")
        return Comparison(sign, one, other)

    def _of_flag(self, column: Column, sign: str, right: ast.expr) -> Condition:
        if column.kind is Kind.TAGS:
            raise self._refusal(right, 'cannot be compared with tags; write "a tag" in tags')
        if not (isinstance(right, ast.Constant) and isinstance(right.value, bool)) or sign not in ("==", "!="):
            raise self._refusal(
                right, f"cannot be compared with {column.name}; write {column.name} or not {column.name}"
            )
        return Flag(column) if right.value == (sign == "==") else Not(Flag(column))

    def _among(self, left: ast.expr, right: ast.expr) -> Condition:
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            return Both([self._compare(left, ast.Eq(), one) for one in right.elts], any=True)
        column = self._operand(right)
        if not isinstance(column, Column) or column.kind not in (Kind.TEXT, Kind.TAGS):
            raise self._refusal(right, "contains nothing; use a list such as [1, 2], a text or tags")
        if not (isinstance(left, ast.Constant) and isinstance(left.value, str) and _is_stored(left.value)):
            raise self._refusal(left, "is not text")
        return Contains(column, left.value)

    def _operand(self, node: ast.expr) -> Operand:
        match node:
            case ast.Constant(value=bool() as value):
                # Parameters that are true or false are stored as texts.
                return Constant(str(value), Kind.TEXT)
            case ast.Constant(value=int() | float() as value) if abs(value) <= MAX_NUMBER:
                return Constant(value if abs(value) < 2**63 else float(value), Kind.NUMBER)
            case ast.Constant(value=str() as value) if _is_stored(value):
                return Constant(value, Kind.TEXT)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._operand(operand)
                if isinstance(inner, Constant) and not isinstance(inner.value, str):
                    return Constant(-inner.value, Kind.NUMBER)
                return Sum("-", Constant(0, Kind.NUMBER), self._number(operand))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _CALCULATED:
                return Sum(_CALCULATED[type(operator)], self._number(left), self._number(right))
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._column(node)
            case _:
                raise self._refusal(node, "is neither a column nor a value")

    def _number(self, node: ast.expr) -> Operand:
        operand = self._operand(node)
        if operand.kind is not Kind.NUMBER:
            raise self._refusal(node, f"is {operand.kind.value}, not a number")
        return operand

    def _column(self, node: ast.expr) -> Column:
        sources = {source.value: source for source in (Source.METRIC, Source.PARAMETER)}
        match node:
            case ast.Name(id=name):
                column = column_named(name, self._spec)
            case ast.Attribute(value=ast.Name(id=source), attr=name) if source in sources:
                column = column_named(name, self._spec, sources[source])
            case ast.Subscript(value=ast.Name(id=source), slice=ast.Constant(value=str() as name)) if source in sources:
                column = column_named(name, self._spec, sources[source])
            case _:
                column = None
        if column is None:
            raise self._refusal(node, f"is not a column; {known(self._spec)}")
        return column

    def _fitting(self, column: Column, constant: Constant, node: ast.expr) -> Constant:
        """Return the constant as a value of the column's kind, if it is one."""
        if column.kind is Kind.TIME and isinstance(constant.value, str):
            try:
                moment = datetime.fromisoformat(constant.value)
            except ValueError:
                problem = "is not a time; write it as in '2026-08-01' or '2026-08-01T12:30'"
                raise self._refusal(node, problem) from None
            return Constant((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), Kind.TIME)
        if column == COLUMNS["state"] and isinstance(constant.value, str):
            state = _STATES_ON_PAGES.get(constant.value.lower(), constant.value.upper())
            if state not in set(TrialState):
                raise self._refusal(node, f"is not a state; use {', '.join([*TrialState, *_STATES_ON_PAGES])}")
            return Constant(state, Kind.TEXT)
        return constant

    def _source(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._text, node) or ""

    def _refusal(self, node: ast.expr, problem: str) -> InvalidArgument:
        # Python counts bytes of UTF-8.
        line = self._text.splitlines()[node.lineno - 1] if self._text else ""
        place = len(line.encode()[: node.col_offset].decode(errors="ignore")) + 1
        return InvalidArgument(f"{self._source(node)!r} at character {place} {problem}", "filter")
