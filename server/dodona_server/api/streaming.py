"""Lists of any length, answered in pieces so that none is ever in memory whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from dodona_schemas.base import WireModel
from dodona_server.api.paging import MAX_PAGE_SIZE

T = TypeVar("T")


async def in_pieces(
    field: str,
    first: list[T],
    following: Callable[[T], Awaitable[list[T]]],
    write: Callable[[T], WireModel],
    size: int = MAX_PAGE_SIZE,
    end: bytes = b"]}",
) -> AsyncIterator[bytes]:
    """A message with all entries of a list in its one field.

    Args:
        field: what the field is called on the wire.
        first: the first page, which the caller reads while an error can still be answered.
        following: the page behind an entry.
        write: an entry as the wire has it.
        size: how many entries a page has; a shorter one is the last.
        end: what comes behind the last entry: more fields, if the message has them.
    """
    yield b'{"' + field.encode() + b'":['
    page, separator = first, b""
    while page:
        for one in page:
            yield separator + write(one).to_json()
            separator = b","
        page = await following(page[-1]) if len(page) == size else []
    yield end
