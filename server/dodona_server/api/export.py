"""A study's trials as a file: CSV and Parquet with a row a trial, JSON lines with all that there is of each.

Trials are read page by page, so that no study is ever in memory whole.
"""

from __future__ import annotations

import csv
import enum
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from dodona_schemas.status import ErrorResponse
from dodona_server.api.errors import error_response
from dodona_server.api.paging import MAX_PAGE_SIZE
from dodona_server.api.route import LenientRoute, OfStudy
from dodona_server.api.vertex import render
from dodona_server.api.vertex.routes import ERRORS, STUDY
from dodona_server.api.vertex.spec import timestamp
from dodona_server.domain.names import StudyName
from dodona_server.domain.space import Categorical, Integer
from dodona_server.domain.study import Study
from dodona_server.domain.trial import Trial
from dodona_server.service.studies import StudyService
from dodona_server.service.trial_queries import TrialQueries

COPY_BYTES = 2**16


class Format(enum.StrEnum):
    """What a study can be exported as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in _MEDIA_TYPES.values()}},
    501: {"model": ErrorResponse, "description": "The server has no pyarrow, which Parquet needs"},
}


def export_router(studies: StudyService, trials: TrialQueries) -> APIRouter:
    """The export of a study."""
    router = APIRouter(route_class=LenientRoute, responses=ERRORS, tags=["studies"])

    @router.get(STUDY + ":export", response_class=Response, responses=_RESPONSES)
    async def export_study(study: OfStudy, format: Format = Format.CSV) -> Response:  # noqa: A002 - the query's name
        """Dodona's own: all trials as CSV, as JSON lines with their measurements, or as Parquet."""
        found = await studies.get(study)
        pages = _pages(trials, study)
        if format is Format.PARQUET:
            try:
                content = _parquet(found, pages)
                first = await anext(content)
            except ImportError:
                return error_response(
                    501, "UNIMPLEMENTED", "this server has no pyarrow: pip install 'dodona[server,parquet]'"
                )
            content = _chained(first, content)
        else:
            content = _csv(found, pages) if format is Format.CSV else _jsonl(study, pages)
        headers = {"Content-Disposition": f'attachment; filename="{study.study_id}.{format}"'}
        return StreamingResponse(content, media_type=_MEDIA_TYPES[format], headers=headers)

    return router


async def _pages(trials: TrialQueries, study: StudyName) -> AsyncIterator[list[Trial]]:
    after = 0
    while page := await trials.page(study, after, MAX_PAGE_SIZE):
        yield page
        after = page[-1].number


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _jsonl(study: StudyName, pages: AsyncIterator[list[Trial]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(render.trial(study, trial).to_json() + b"\n" for trial in page)


async def _csv(study: Study, pages: AsyncIterator[list[Trial]]) -> AsyncIterator[bytes]:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _columns(study))
    writer.writeheader()
    async for page in pages:
        writer.writerows({name: _safe(value) for name, value in row.items()} for row in _rows(study, page))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


async def _parquet(study: Study, pages: AsyncIterator[list[Trial]]) -> AsyncIterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "int": pa.int64(), "real": pa.float64(), "time": pa.timestamp("us", "UTC")}
    schema = pa.schema([(name, types[kind]) for name, kind in _columns(study).items()])
    with tempfile.TemporaryFile() as file:
        with pq.ParquetWriter(file, schema) as writer:
            async for page in pages:
                writer.write_table(pa.Table.from_pylist(_rows(study, page), schema))
        file.seek(0)
        while piece := file.read(COPY_BYTES):
            yield piece


def _columns(study: Study) -> dict[str, str]:
    """The columns in order, and what they hold: text, int, real or time."""
    columns = {
        "number": "int",
        "state": "text",
        "client_id": "text",
        "attempt": "int",
        "create_time": "time",
        "start_time": "time",
        "end_time": "time",
        "infeasible_reason": "text",
    }
    for _, parameter in study.spec.space.walk():
        kind = {Categorical: "text", Integer: "int"}.get(type(parameter.kind), "real")
        name = f"parameters.{parameter.id}"
        # One name in two branches may be of two kinds.
        columns[name] = kind if columns.get(name, kind) == kind else "text"
    return columns | {f"metrics.{metric.id}": "real" for metric in study.spec.metrics}


def _rows(study: Study, page: Sequence[Trial]) -> list[dict[str, Any]]:
    columns = _columns(study)
    return [_row(columns, trial) for trial in page]


def _row(columns: dict[str, str], trial: Trial) -> dict[str, Any]:
    row: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.value,
        "client_id": trial.client_id,
        "attempt": trial.attempt,
        "infeasible_reason": trial.infeasible_reason,
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
    """`value` for a spreadsheet, which would run a text that begins like a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
