"""The change feed of a study: in pages, or as server-sent events (the HTML standard's EventSource)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from dodona_schemas import vertex as wire
from dodona_server.api.paging import MAX_PAGE_SIZE, page_size
from dodona_server.api.route import Answer, LenientRoute, OfStudy, PageSize
from dodona_server.api.vertex import render
from dodona_server.api.vertex.routes import ERRORS, STUDY
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName
from dodona_server.service.studies import StudyService

EVENT_STREAM = "text/event-stream"
LOOK_AGAIN_SECONDS = 0.5
# A line now and then keeps proxies from closing a connection on which nothing happens.
SILENT_LOOKS = 30


def event_router(studies: StudyService, stopping: threading.Event) -> APIRouter:
    """The feed; streams end when `stopping` is set."""
    router = APIRouter(route_class=LenientRoute, responses=ERRORS, tags=["studies"])

    @router.get(
        STUDY + "/events",
        response_model=wire.ListEventsResponse,
        responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
    )
    async def list_events(
        study: OfStudy,
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The number of the last event seen")] = 0,
        size: PageSize = 0,
        accept: Annotated[str, Header()] = "",
        last_event_id: Annotated[str, Header()] = "",
    ) -> Response:
        """Dodona's own: what has happened since event `after`; a stream, if the client accepts text/event-stream."""
        if EVENT_STREAM not in accept:
            happened = await studies.events(study, after, page_size(size))
            return Answer(wire.ListEventsResponse(events=[render.event(event) for event in happened]))
        if last_event_id:
            after = _number(last_event_id)
        first = await studies.events(study, after, MAX_PAGE_SIZE)
        stream = _stream(studies, study, first, after, stopping)
        return StreamingResponse(stream, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    return router


def _number(last_event_id: str) -> int:
    if not last_event_id.isdecimal() or len(last_event_id) > 18:
        raise InvalidArgument(f"{last_event_id!r} is no event's number", "Last-Event-ID")
    return int(last_event_id)


async def _stream(
    studies: StudyService, study: StudyName, happened: list[Event], after: int, stopping: threading.Event
) -> AsyncIterator[bytes]:
    silent = 0
    while not stopping.is_set():
        for event in happened:
            after = event.number
            yield b"id: %d\nevent: %s\ndata: %s\n\n" % (
                event.number,
                event.kind.value.encode(),
                render.event(event).to_json(),
            )
        silent = 0 if happened else silent + 1
        if silent == SILENT_LOOKS:
            yield b": nothing new\n\n"
            silent = 0
        if len(happened) < MAX_PAGE_SIZE:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        happened = await studies.events(study, after, MAX_PAGE_SIZE)
