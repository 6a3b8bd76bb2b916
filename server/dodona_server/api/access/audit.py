"""Calls about the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from fastapi import Response
from fastapi.responses import StreamingResponse

from dodona_schemas import access as wire
from dodona_server.api.calls.call import JSON_LINES, Dialect
from dodona_server.api.front.answer import Answer, with_first
from dodona_server.api.front.paging import page_size, read_token, write_token
from dodona_server.api.front.route import OfPrincipal, PageSize, PageToken, Routes
from dodona_server.api.front.shared import timestamp
from dodona_server.parts import Audit
from dodona_server.storage.access.audit import Entry

routes = Routes(Dialect.OWN)
_ORDER = "audit"


@routes.serve
async def list_audit(audit: Audit, by: OfPrincipal, size: PageSize = 0, token: PageToken = "") -> Response:
    """List who did what in the projects that the caller administers, the latest first."""
    limit = page_size(size)
    entries = await audit.page(by, read_token(_ORDER, token) or None, limit)
    more = write_token(_ORDER, entries[-1].key) if len(entries) == limit else ""
    return Answer(wire.ListAuditResponse(entries=[_message(one) for one in entries], next_page_token=more))


@routes.serve
async def export_audit(audit: Audit, by: OfPrincipal) -> Response:
    """Return the same as JSON lines, all of it."""
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    pages = await with_first(audit.all(by))
    return StreamingResponse(_lines(pages), media_type=JSON_LINES, headers=headers)


async def _lines(pages: AsyncIterator[Sequence[Entry]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(_message(entry).to_json() + b"\n" for entry in page)


def _message(entry: Entry) -> wire.AuditEntry:
    return wire.AuditEntry(
        time=timestamp(entry.time),
        actor=entry.actor,
        address=entry.address,
        action=entry.action,
        project=entry.project,
        target=entry.target,
        outcome=entry.outcome,
    )
