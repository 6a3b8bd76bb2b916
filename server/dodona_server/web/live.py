"""Live pages: a stream says that something has changed, and pages that ask at the same time share one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

MAX_CURSOR = 64
# X-Accel-Buffering: a proxy such as nginx must pass each event on at once.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# The time after which a browser connects again, in milliseconds.
_FIRST = b"retry: 2000\n\n"


def cursor(request: Request) -> str:
    """Return the mark that the page was last told; empty if there is none."""
    return request.headers.get("last-event-id", "")[:MAX_CURSOR]


async def stream(marks: AsyncIterator[str]) -> Response:
    """Return server-sent events with these marks, and a comment for each empty one."""
    # The first one is asked for while an error can still be answered.
    await anext(marks)
    return StreamingResponse(_written(marks), media_type="text/event-stream", headers=_HEADERS)


async def _written(marks: AsyncIterator[str]) -> AsyncIterator[bytes]:
    yield _FIRST
    async for mark in marks:
        yield f"id: {mark}\nevent: changed\ndata: {mark}\n\n".encode() if mark else b": nothing new\n\n"
