"""Parsing of request bodies: JSON in UTF-8, with bounded depth and size; large ones parsed beside the event loop."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from dodona_schemas.base import WireModel
from dodona_schemas.problems import problem_of
from dodona_server.aside import aside
from dodona_server.domain.errors import InvalidArgument

Message = TypeVar("Message", bound=WireModel)

# Bodies up to this size are parsed at once: a thread would cost more.
SMALL_BYTES = 2**12
# The parser's own limit.
MAX_DEPTH = 200
# Parsing this many takes a few hundredths of a second, during which no other thread runs.
MAX_ELEMENTS = 200_000
# Messages are freed together with what they contain, also without a break; one takes as long as several elements.
MAX_OBJECTS = 50_000


async def read_message(model: type[Message], body: bytes) -> Message:
    """Return the message in a request's body; an empty body is `{}`.

    Raises:
        InvalidArgument: it is not JSON, has too many elements, is nested too deep, or does not fit the model.
    """
    return _read(model, body) if len(body) <= SMALL_BYTES else await aside(_read, model, body)


def _read(model: type[Message], body: bytes) -> Message:
    content = parse_body(body)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # Only here is a validation error the client's fault; elsewhere it concerns the server's own data.
        errors = error.errors(include_url=False)
        problem = problem_of(errors, "" if errors[0]["loc"] else "the body")
    # The traceback of the exception would keep the content until the event loop is done with it, and frees it there.
    del content, errors
    raise InvalidArgument(problem)


def parse_body(body: bytes) -> Any:
    """Return the body's content; an empty body is `{}`. Unlike the standard library, this refuses invalid Unicode.

    Raises:
        InvalidArgument: it is not JSON, is too large, or has a character that no database can store.
    """
    if _has_more_than(body, MAX_ELEMENTS, b",[{"):
        raise InvalidArgument(f"the body has more than {MAX_ELEMENTS} elements; that is the limit")
    if _has_more_than(body, MAX_OBJECTS, b"{"):
        raise InvalidArgument(f"the body has more than {MAX_OBJECTS} objects; that is the limit")
    if b"\\u0000" in body and _has_nul(body):
        raise InvalidArgument("a string in the body has the character U+0000, which the database cannot store")
    try:
        return from_json(body or b"{}")
    except ValueError as error:
        if "recursion limit" in str(error):
            raise InvalidArgument(
                f"the body is not JSON that this server accepts: it is nested more than {MAX_DEPTH} levels deep"
            ) from error
        raise InvalidArgument(f"the body is not JSON: {error}") from error


def _has_more_than(body: bytes, limit: int, signs: bytes) -> bool:
    """Return whether the body has more of these characters outside strings; it stops scanning once it knows."""
    if len(body) <= limit or sum(map(body.count, signs)) <= limit:
        return False
    left, after = limit, 0
    while after < len(body):
        text = body.find(b'"', after)
        end = text if text >= 0 else len(body)
        left -= sum(body.count(sign, after, end) for sign in signs)
        if left < 0:
            return True
        after = _end_of_text(body, end + 1)
    return False


def _end_of_text(body: bytes, position: int) -> int:
    """Return where the string ends that begins at `position`."""
    while (quote := body.find(b'"', position)) >= 0:
        position = quote + 1
        if not _is_escaped(body, quote):
            return position
    return len(body)


def _has_nul(body: bytes) -> bool:
    """Return whether a string in the body has U+0000; a backslash that is itself escaped does not start one."""
    position = body.find(b"\\u0000")
    while position >= 0 and _is_escaped(body, position):
        position = body.find(b"\\u0000", position + 1)
    return position >= 0


def _is_escaped(body: bytes, position: int) -> bool:
    """Return whether an odd number of backslashes precedes `position`."""
    first = position
    while first and body[first - 1] == 0x5C:
        first -= 1
    return (position - first) % 2 == 1
