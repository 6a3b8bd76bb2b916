"""Export of a study's trials: CSV and Parquet have a row for each trial, JSON lines have the whole trial.

Trials are read page by page, so that no study is ever whole in memory, and only the fields that the file has are read.
"""

from __future__ import annotations

import csv
import ctypes
import enum
import importlib
import importlib.util
import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from dodona_server.api.calls.call import CSV, JSON_LINES, PARQUET, Dialect
from dodona_server.api.front.answer import with_first
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.paging import MAX_PAGE_SIZE
from dodona_server.api.front.route import OfStudy, Routes
from dodona_server.api.front.shared import timestamp
from dodona_server.api.vertex.answers import trial_pieces
from dodona_server.aside import aside, in_chunks
from dodona_server.domain.names import StudyName
from dodona_server.domain.space import Categorical, Integer
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import Trial
from dodona_server.parts import Queries, Studies
from dodona_server.service.trials.queries import TrialQueries

COPY_BYTES = 2**18
VALUES_AT_ONCE = 5000


class Format(enum.StrEnum):
    """Formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_MEDIA_TYPES = {
    Format.CSV: f"{CSV}; charset=utf-8",
    Format.JSONL: JSON_LINES,
    Format.PARQUET: PARQUET,
}

routes = Routes(Dialect.OWN)


@routes.serve
async def export_study(study: OfStudy, studies: Studies, queries: Queries, format: Format = Format.CSV) -> Response:  # noqa: A002 - the query's name
    """Return all trials as CSV, as JSON lines with their measurements, or as Parquet."""
    found = await studies.get(study)
    columns = await aside(_columns, found)
    pages = await with_first(_pages(queries, study, brief=format is not Format.JSONL))
    if format is Format.PARQUET:
        try:
            content = await with_first(_parquet(columns, pages))
        except ImportError:
            return error_response(
                501, "UNIMPLEMENTED", "this server has no pyarrow: pip install 'dodona[server,parquet]'"
            )
    else:
        content = _csv(columns, pages) if format is Format.CSV else _jsonl(study, pages)
    headers = {"Content-Disposition": f'attachment; filename="{study.study_id}.{format}"'}
    return StreamingResponse(content, media_type=_MEDIA_TYPES[format], headers=headers)


async def _pages(trials: TrialQueries, study: StudyName, *, brief: bool) -> AsyncIterator[list[Trial]]:
    """Yield pages of all trials, each with as many as fit; if `brief`, without the fields that no table has."""
    after, more = 0, True
    while more:
        page = await trials.page(study, after, MAX_PAGE_SIZE, brief=brief)
        if page.entries:
            yield page.entries
            after = page.entries[-1].number
        more = page.more


async def _jsonl(study: StudyName, pages: AsyncIterator[list[Trial]]) -> AsyncIterator[bytes]:
    async for page in pages:
        async for chunk in in_chunks(_lines(study, page)):
            yield chunk


def _lines(study: StudyName, page: Sequence[Trial]) -> Iterator[bytes]:
    for trial in page:
        yield from trial_pieces(study, trial)
        yield b"\n"


async def _csv(columns: dict[str, str], pages: AsyncIterator[list[Trial]]) -> AsyncIterator[bytes]:
    yield _csv_lines(columns, [dict(zip(columns, columns, strict=True))])
    async for page in pages:
        async for chunk in in_chunks(_csv_lines(columns, [_row(columns, trial)]) for trial in page):
            yield chunk


def _csv_lines(columns: dict[str, str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    lines = io.StringIO()
    csv.DictWriter(lines, columns).writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return lines.getvalue().encode()


async def _parquet(columns: dict[str, str], pages: AsyncIterator[list[Trial]]) -> AsyncIterator[bytes]:
    await aside(_load_arrow)
    pa, pq = await aside(importlib.import_module, "pyarrow"), await aside(importlib.import_module, "pyarrow.parquet")
    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "real": pa.float64(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", "UTC"),
    }
    fields = [pa.field(name, types[kind]) for name, kind in columns.items()]
    schema = pa.schema(fields)

    def arrays(rows: list[dict[str, Any]], of_fields: list[Any]) -> list[Any]:
        return [pa.array([row.get(field.name) for row in rows], field.type) for field in of_fields]

    def write(columns: Iterable[list[Any]]) -> None:
        writer.write_table(pa.Table.from_arrays(list(chain.from_iterable(columns)), schema=schema))

    with tempfile.TemporaryFile() as file:
        writer = await aside(pq.ParquetWriter, file, schema)
        async for page in pages:
            rows = await aside(lambda page: [_row(columns, trial) for trial in page], page)
            # A few columns at a time: pyarrow takes and releases the GIL so often that a waiting thread hardly gets it.
            width = max(1, VALUES_AT_ONCE // len(rows))
            parts = [fields[begin : begin + width] for begin in range(0, len(fields), width)]
            await aside(write, [await aside(arrays, rows, part) for part in parts])
        await aside(writer.close)
        file.seek(0)
        while piece := await aside(file.read, COPY_BYTES):
            yield piece


def _load_arrow() -> None:
    """Load pyarrow's libraries in a call without the GIL: `import` holds it while it reads them from a disk."""
    found = importlib.util.find_spec("pyarrow")
    if os.name == "posix" and found is not None and found.origin is not None:
        for library in Path(found.origin).parent.glob("lib.*.so"):
            ctypes.CDLL(None).dlopen(bytes(library), os.RTLD_LAZY)


def _columns(study: Study) -> dict[str, str]:
    """Return the columns in order with their type: text, int, real, flag or time."""
    columns = {
        "number": "int",
        "state": "text",
        "client_id": "text",
        "attempt": "int",
        "create_time": "time",
        "start_time": "time",
        "end_time": "time",
        "infeasible_reason": "text",
        "stopped": "flag",
    }
    for _, parameter in study.spec.space.walk():
        kind = {Categorical: "text", Integer: "int"}.get(type(parameter.kind), "real")
        name = f"parameters.{parameter.id}"
        # The same name in two branches may have two types.
        columns[name] = kind if columns.get(name, kind) == kind else "text"
    return columns | {f"metrics.{metric.id}": "real" for metric in study.spec.metrics}


def _row(columns: dict[str, str], trial: Trial) -> dict[str, Any]:
    row: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.value,
        "client_id": trial.client_id,
        "attempt": trial.attempt,
        "infeasible_reason": trial.infeasible_reason,
        "stopped": trial.stopped,
    }
    for name in ("create_time", "start_time", "end_time"):
        seconds = getattr(trial, name)
        row[name] = None if seconds is None else timestamp(seconds)
    for parameter, value in trial.parameters.items():
        name = f"parameters.{parameter}"
        row[name] = str(value) if columns.get(name) == "text" else value
    if trial.final_measurement is not None:
        row |= {f"metrics.{metric}": value for metric, value in trial.final_measurement.metrics.items()}
    return {name: value for name, value in row.items() if name in columns}


def _safe(value: Any) -> Any:
    """Return `value` made safe for a spreadsheet, which would run a text that begins like a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
