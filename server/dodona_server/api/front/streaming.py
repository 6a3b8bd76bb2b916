"""Lists of any length, sent in pieces so that none is ever whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

from dodona_schemas.base import WireModel
from dodona_server.api.front.answer import LongAnswer, begun, separated
from dodona_server.aside import in_chunks
from dodona_server.domain.page import Page

T = TypeVar("T")


def all_pages(
    message: WireModel,
    field: str,
    first: Page[T],
    following: Callable[[T], Awaitable[Page[T]]],
    write: Callable[[T, bool], Iterator[bytes]],
) -> LongAnswer:
    """Return a message with all entries of a list in one of its fields.

    Args:
        message: its other fields.
        field: the list's field.
        first: the first page, which the caller reads while an error can still be answered.
        following: returns the page after an entry.
        write: yields an entry as on the wire, in pieces; its last argument says whether enums are written as numbers.
    """

    async def chunks(enums_as_numbers: bool) -> AsyncIterator[bytes]:
        yield begun(message, field, enums_as_numbers) + b"["
        page, begins = first, True
        while page.entries:
            entries = (write(one, enums_as_numbers) for one in page.entries)
            async for chunk in in_chunks(separated(entries, first=begins)):
                yield chunk
            if not page.more:
                break
            page, begins = await following(page.entries[-1]), False
        yield b"]}"

    return LongAnswer(chunks)
