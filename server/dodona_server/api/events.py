"""Change feed of a study: as pages, or as server-sent events (EventSource in the HTML standard)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query, Response
from fastapi.responses import StreamingResponse

from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import EVENT_STREAM, Dialect
from dodona_server.api.front.paging import page_size
from dodona_server.api.front.route import OfStudy, PageSize, Routes
from dodona_server.api.vertex import answers, render
from dodona_server.aside import aside
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import Event
from dodona_server.parts import Events

routes = Routes(Dialect.OWN)


@routes.serve
async def list_events(
    study: OfStudy,
    feed: Events,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The number of the last event seen")] = 0,
    size: PageSize = 0,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Return the events after number `after`; as a stream if the client accepts text/event-stream."""
    if EVENT_STREAM not in accept:
        page = await feed.page(study, after, page_size(size))
        return answers.listing(
            wire.ListEventsResponse(), "events", lambda _: ((render.event(one).to_json(),) for one in page.entries)
        )
    if last_event_id:
        after = _number(last_event_id)
    following = feed.follow(study, after)
    # The first read happens while an error can still be answered.
    stream = _stream(following, await anext(following))
    return StreamingResponse(stream, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})


def _number(last_event_id: str) -> int:
    if not last_event_id.isdecimal() or len(last_event_id) > 18:
        raise InvalidArgument(f"{last_event_id!r} is not the number of an event", "Last-Event-ID")
    return int(last_event_id)


async def _stream(following: AsyncIterator[list[Event]], happened: list[Event]) -> AsyncIterator[bytes]:
    yield _written(happened)
    async for more in following:
        yield await aside(_written, more)


def _written(happened: list[Event]) -> bytes:
    lines = [
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.kind.value.encode(), render.event(event).to_json())
        for event in happened
    ]
    # A comment line keeps proxies from closing an idle connection.
    return b"".join(lines) or b": nothing new\n\n"
