"""Lists of any length, answered in pieces so that none is ever in memory whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

from dodona_schemas.base import WireModel
from dodona_server.api.answer import LongAnswer, begun, separated
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
    """A message with all entries of a list in one of its fields.

    Args:
        message: its other fields.
        field: the list's.
        first: the first page, which the caller reads while an error can still be answered.
        following: the page behind an entry.
        write: an entry as the wire has it, in pieces; it is told whether enums are to be numbers.
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
