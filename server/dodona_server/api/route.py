"""How routes read requests and write answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from dodona_schemas.base import WireModel
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import Location, StudyName, TrialName

# An odd number of backslashes before "u0000"; an even one stands for backslashes in the text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_ANSWER_HEADERS = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]


class LenientRoute(APIRoute):
    """A route that takes an empty body as `{}`, as Google's servers do; `WholeBody` lets in nothing but JSON.

    Its path may end with a verb behind a colon.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        # Google's clients send bodies without a content type.
        super().__init__(path, endpoint, **{**settings, "strict_content_type": False})

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route is the one for a request; a colon in its path stands before a verb, not within an id."""
        match, child = super().matches(scope)
        if match is not Match.NONE and any(":" in str(part) for part in child["path_params"].values()):
            return Match.NONE, {}
        return match, child

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler behind a look at the body."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def lenient(request: Request) -> Response:
            body = await request.body()
            request._body = body or b"{}"  # noqa: SLF001 - where Request keeps the body that it has read
            request._json = parse_body(body)  # noqa: SLF001 - and what it has made of it
            return await handler(request)

        return lenient


def parse_body(body: bytes) -> Any:
    """The body's content, an empty one's `{}`; unlike the standard library's parser, this refuses what is no Unicode.

    Raises:
        InvalidArgument: it is not JSON, or has a character that no database keeps.
    """
    if b"\\u0000" in body and _NUL.search(body):
        raise InvalidArgument("a text in the body has the character U+0000, which no database keeps")
    try:
        return from_json(body or b"{}")
    except ValueError as error:
        raise InvalidArgument(f"the body is not JSON: {error}") from error


def wants_numbers(scope: Scope) -> bool:
    """Whether the client asked for enums as numbers: "$alt=json;enum-encoding=int"."""
    query: bytes = scope["query_string"]
    return b"enum-encoding" in query and b"enum-encoding=int" in unquote_to_bytes(query)


async def send_answer(scope: Scope, send: Send, message: WireModel) -> None:
    """Sends a message of the protocol, written as the request asks for it."""
    body = message.to_json(enums_as_numbers=wants_numbers(scope))
    length = str(len(body)).encode()
    headers = [*_ANSWER_HEADERS, (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Answer(Response):
    """A message of the protocol, written as the request asks for it, without the framework's second look at it.

    Args:
        message: what is answered.
    """

    def __init__(self, message: WireModel) -> None:
        super().__init__(media_type="application/json")
        self._message = message

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends the message."""
        await send_answer(scope, send, self._message)


ProjectPart = Annotated[str, Path(examples=["default"])]
LocationPart = Annotated[str, Path(examples=["local"])]
StudyPart = Annotated[str, Path(examples=["digits"])]
TrialPart = Annotated[str, Path(examples=["1"])]


async def location(project: ProjectPart, location: LocationPart) -> Location:
    """The project and location in the path."""
    return Location(project, location)


async def study_name(project: ProjectPart, location: LocationPart, study: StudyPart) -> StudyName:
    """The study in the path."""
    return StudyName(Location(project, location), study)


async def trial_name(project: ProjectPart, location: LocationPart, study: StudyPart, trial: TrialPart) -> TrialName:
    """The trial in the path."""
    return TrialName.of(StudyName(Location(project, location), study), trial)


InLocation = Annotated[Location, Depends(location)]
OfStudy = Annotated[StudyName, Depends(study_name)]
OfTrial = Annotated[TrialName, Depends(trial_name)]
PageSize = Annotated[
    int,
    Query(alias="pageSize", description="0 for as many as the server likes", json_schema_extra={"minimum": 0}),
]
RequestId = Annotated[
    str,
    Query(alias="requestId", max_length=128, description="Dodona's own: the same id again gets the same answer"),
]
PageToken = Annotated[str, Query(alias="pageToken")]
