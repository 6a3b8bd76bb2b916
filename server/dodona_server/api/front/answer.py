"""Answers: short ones are sent at once, long ones in pieces that are built beside the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from pydantic.alias_generators import to_camel
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from dodona_schemas.base import WireModel
from dodona_server.api.front.errors import NOSNIFF
from dodona_server.aside import in_chunks

T = TypeVar("T")

JSON = "application/json"
_HEADERS = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]


class Answer(Response):
    """A short protocol message, serialized as the request asks, without the framework's second validation.

    Args:
        message: the content of the answer.
    """

    def __init__(self, message: WireModel) -> None:
        # `Response.__init__` is not called: the headers that it builds are unused here, and cost a tenth of this work.
        self.status_code, self.background, self.raw_headers = 200, None, []
        self._message = message

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the message."""
        await _send_whole(send, self._message.to_json(enums_as_numbers=wants_numbers(scope)))


class LongAnswer(Response):
    """A protocol message of any length.

    Args:
        chunks: returns the message in pieces; its argument says whether enums are written as numbers.
    """

    def __init__(self, chunks: Callable[[bool], AsyncIterator[bytes]]) -> None:
        super().__init__(media_type=JSON)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the message, with its length unless it is too long for that to be known in advance."""
        chunks = self._chunks(wants_numbers(scope))
        first = await anext(chunks, b"")
        second = await anext(chunks, None)
        if second is None:
            await _send_whole(send, first)
        else:
            rest = chained([first, second], chunks)
            await StreamingResponse(rest, media_type=JSON, headers=NOSNIFF)(scope, receive, send)


def written(write: Callable[[bool], Iterator[bytes]]) -> LongAnswer:
    """Return the answer that `write` yields in pieces, each of them quick to build; see `LongAnswer`."""
    return LongAnswer(lambda enums_as_numbers: in_chunks(write(enums_as_numbers)))


def wants_numbers(scope: Scope) -> bool:
    """Return whether the client asked for enums as numbers: "$alt=json;enum-encoding=int"."""
    query: bytes = scope["query_string"]
    return b"enum-encoding" in query and b"enum-encoding=int" in unquote_to_bytes(query)


def with_fields(
    message: WireModel, fields: Mapping[str, Iterable[bytes]], enums_as_numbers: bool = False
) -> Iterator[bytes]:
    """Yield a message as JSON; some of its fields come as pieces that are already written."""
    rest = message.model_copy(update=dict.fromkeys(fields))
    if not fields:
        yield rest.to_json(enums_as_numbers=enums_as_numbers)
        return
    (first, content), *others = fields.items()
    yield begun(rest, first, enums_as_numbers)
    yield from content
    for name, pieces in others:
        yield b"," + to_json(to_camel(name)) + b":"
        yield from pieces
    yield b"}"


def begun(message: WireModel, field: str, enums_as_numbers: bool = False) -> bytes:
    """Return a message as JSON up to the content of one field, which comes last."""
    rest = message.model_copy(update={field: None}).to_json(enums_as_numbers=enums_as_numbers)
    return rest[:-1] + (b"" if rest == b"{}" else b",") + to_json(to_camel(field)) + b":"


def array(entries: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """Yield a JSON list whose entries come in pieces."""
    yield b"["
    yield from separated(entries)
    yield b"]"


def separated(entries: Iterable[Iterable[bytes]], first: bool = True) -> Iterator[bytes]:
    """Yield the entries of a JSON list; if `first` is false, they continue a list."""
    for entry in entries:
        if not first:
            yield b","
        yield from entry
        first = False


def mapping(entries: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a map of strings as JSON."""
    yield b"{"
    yield from separated((to_json(key) + b":" + to_json(value),) for key, value in entries.items())
    yield b"}"


async def _send_whole(send: Send, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [*_HEADERS, (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def with_first(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Return the items, the first of which is read now: what fails for all of them fails before the answer begins."""
    try:
        first = await anext(items)
    except StopAsyncIteration:
        return items
    return chained([first], items)


async def chained(known: Iterable[T], rest: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield what is known, and then the rest."""
    for item in known:
        yield item
    async for item in rest:
        yield item
