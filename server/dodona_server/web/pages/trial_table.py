"""Table of trials on the page of a study: its filter, its order, its columns and its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.studies.study import Study, StudySpec
from dodona_server.domain.trials.filters import COLUMNS, Column, Kind, Source, columns_of
from dodona_server.domain.trials.trial import Trial
from dodona_server.service.trials.queries import Filtered
from dodona_server.web.links import Links

MAX_ROWS = 25
MAX_PAGE = 10**6
# The parameters that are shown until the reader chooses others.
MAX_PARAMETERS = 12
# With more columns, the table is set closer.
DENSE = 9
_SHOWN = ("worker", "started", "duration")
_HIDDEN = ("attempt", "step", "created", "ended", "tags", "note")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of the table.

    Args:
        key: names it in the page's address, in filters and in orders.
        label: for people.
        column: what it shows.
        is_shown: whether it is shown.
    """

    key: str
    label: str
    column: Column
    is_shown: bool

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers or durations, which stand on the right."""
        return self.column.kind is Kind.NUMBER


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Part of the page's query that is about the table.

    Args:
        filter: an expression; empty for all trials.
        sort: a column to sort by; empty for the order of the list.
        page: how many pages precede, and this one.
        columns: the keys of the chosen columns; empty for the default.
    """

    filter: str = ""
    sort: str = ""
    page: int = 1
    columns: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, str], columns: Sequence[str]) -> TableQuery:
        """Return the query; whatever is not understood has its default.

        Args:
            given: the fields of the page's query.
            columns: all values of its field `column`.
        """
        number = given.get("page", "")
        page = min(int(number), MAX_PAGE) if number.isascii() and number.isdecimal() else 1
        return cls(given.get("filter", "").strip(), given.get("sort", "").strip(), max(1, page), tuple(columns))

    @property
    def kept(self) -> dict[str, str | tuple[str, ...]]:
        """Fields of the page's address that are not the default."""
        page = str(self.page) if self.page > 1 and (self.filter or self.sort) else ""
        return {"filter": self.filter, "sort": self.sort, "page": page, "column": self.columns}

    @property
    def filtered(self) -> Filtered | None:
        """List of trials that it asks for; None for a list that an index has."""
        if not (self.filter or self.sort):
            return None
        return Filtered(self.filter, self.sort, (self.page - 1) * MAX_ROWS, MAX_ROWS)

    def columns_for(self, spec: StudySpec) -> list[TableColumn]:
        """Return the columns behind the trial's number, its state and its objective."""
        of_study = columns_of(spec)[1:]
        parameters = [one for one in of_study if one.source is Source.PARAMETER]
        usual = [one for one in of_study if one.source is Source.METRIC] + parameters[:MAX_PARAMETERS]
        chosen = set(self.columns) or {_key(one) for one in usual} | set(_SHOWN)
        known = [*of_study, *(COLUMNS[name] for name in (*_SHOWN, *_HIDDEN))]
        return [TableColumn(_key(one), one.name, one, _key(one) in chosen) for one in known]

    def sort_link(self, links: Links, key: str) -> str:
        """Return the address that sorts by a column, or the other way round."""
        other = f"{key} desc" if self.sort == key else key
        return links.to("trials", sort=other, page="", order="", trials="", after="", **{"from": ""})

    def direction(self, key: str) -> str:
        """Return "ascending" or "descending" if the table is sorted by that column; else an empty text."""
        return {key: "ascending", f"{key} desc": "descending"}.get(self.sort, "")


def _key(column: Column) -> str:
    return column.name if column.source is Source.TRIAL else f"{column.source.value}.{column.name}"


def objective_key(study: Study) -> str:
    """Return the key of the study's first metric."""
    return _key(Column(study.spec.objective.id, Kind.NUMBER, Source.METRIC))


def trial_value(trial: Trial, column: Column, last: Mapping[str, float]) -> object:
    """Return the value of a trial in a column that is a metric, a parameter, or a plain value; None if it has none.

    Args:
        trial: the trial.
        column: of it.
        last: the last values of its metrics while it runs.
    """
    if column.source is Source.METRIC:
        return trial.final_measurement.metrics.get(column.name) if trial.final_measurement else last.get(column.name)
    if column.source is Source.PARAMETER:
        return trial.parameters.get(column.name)
    if column.name == "worker":
        return trial.client_id or None
    if column.name == "step":
        return trial.final_measurement.step if trial.final_measurement else None
    return trial.attempt if column.name == "attempt" else None
