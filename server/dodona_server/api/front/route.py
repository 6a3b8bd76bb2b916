"""Routes: which rows of the table of calls they serve, how they read requests, and what a path names."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor
from starlette.routing import Match
from starlette.types import Scope

from dodona_schemas.base import WireModel
from dodona_schemas.status import ErrorResponse
from dodona_server.api.calls.call import OCTETS, Call, Dialect
from dodona_server.api.calls.table import CALLS
from dodona_server.api.front.principal import checked, principal_of
from dodona_server.api.front.read import read_message
from dodona_server.domain.access.roles import Principal
from dodona_server.domain.names import Location, StudyName, TrialName

Answerer = TypeVar("Answerer", bound=Callable[..., Any])


class _Read(Request):
    """A request whose body was already read.

    Args:
        request: the original request.
        content: the body.
        message: the parsed JSON.
    """

    def __init__(self, request: Request, content: bytes, message: object) -> None:
        super().__init__(request.scope, request.receive)
        self._content, self._message = content, message

    async def body(self) -> bytes:
        """Return the body."""
        return self._content

    async def json(self) -> Any:
        """Return the parsed JSON."""
        return self._message


class LenientRoute(APIRoute):
    """A route that reads an empty body as `{}`, as Google's servers do; `WholeBody` lets only JSON pass.

    Its path may end with a colon and a verb.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        # Google's clients send bodies without a content type.
        super().__init__(path, endpoint, **{**settings, "strict_content_type": False})
        parts = self.param_convertors.items()
        self._ids = [name for name, convertor in parts if not isinstance(convertor, PathConvertor)]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route matches a request; a colon in its path precedes a verb, never part of an id."""
        match, child = super().matches(scope)
        if match is not Match.NONE and any(":" in str(child["path_params"][name]) for name in self._ids):
            return Match.NONE, {}
        return match, child

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler, after a check of the body."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler
        model = cast("type[WireModel]", self.body_field.field_info.annotation)

        async def lenient(request: Request) -> Response:
            content = await request.body()
            return await handler(_Read(request, content or b"{}", await read_message(model, content)))

        return lenient


# How the OpenAPI document describes content that is no message.
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}


class Routes:
    """Routes of the calls that a module answers.

    Args:
        dialects: the dialects of the calls.
        route_class: the class of the routes.
    """

    def __init__(self, *dialects: Dialect, route_class: type[APIRoute] = LenientRoute) -> None:
        self._dialects = dialects
        self._route_class = route_class
        self.by_call: dict[Call, APIRoute] = {}

    def serve(self, answer: Answerer) -> Answerer:
        """Create the routes of all rows of the table that have the name of the function `answer`; return it.

        Raises:
            LookupError: the table has no such row.
        """
        rows = [call for call in CALLS if call.dialect in self._dialects and call.name == answer.__name__]
        if not rows:
            raise LookupError(f"the table of calls has no row {answer.__name__!r}")
        for call in rows:
            # The name of a person may have any character: a provider of OpenID Connect chooses it.
            path = call.served_at.replace("{user}", "{user:path}")
            route = self._route_class(path, answer, **_settings(call))
            # Before the route reads anything of the request.
            route.app = checked(call.name, route.app, changes=call.method != "GET")
            self.by_call[call] = route
        return answer

    @staticmethod
    def in_order(groups: Iterable[Routes]) -> list[APIRoute]:
        """Return the routes of all groups in the order of the table."""
        routes = {call: route for group in groups for call, route in group.by_call.items()}
        return [routes[call] for call in CALLS if call in routes]


def _settings(call: Call) -> dict[str, Any]:
    """Return what the framework needs to know of a call; `openapi` completes its document."""
    settings: dict[str, Any] = {"methods": [call.method], "include_in_schema": call.documented}
    if not call.documented:
        return settings
    messages = [content for content in call.answers if not isinstance(content, str)]
    media = {content: {} if content == OCTETS else _TEXT for content in call.answers if isinstance(content, str)}
    settings |= {"response_model": messages[0]} if messages else {"response_class": Response}
    settings |= {"tags": [call.tag], "responses": {code: {"model": ErrorResponse} for code in call.errors}}
    if media:
        settings["responses"][200] = {"content": media}
    if call.request == OCTETS:
        settings["openapi_extra"] = {"requestBody": {"content": {OCTETS: _BINARY}}}
    return settings


ProjectPart = Annotated[str, Path(examples=["default"])]
LocationPart = Annotated[str, Path(examples=["local"])]
StudyPart = Annotated[str, Path(examples=["digits"])]
TrialPart = Annotated[str, Path(examples=["1"])]


async def location(project: ProjectPart, location: LocationPart) -> Location:
    """Return the project and location in the path."""
    return Location(project, location)


async def study_name(project: ProjectPart, location: LocationPart, study: StudyPart) -> StudyName:
    """Return the study in the path."""
    return StudyName(Location(project, location), study)


async def trial_name(project: ProjectPart, location: LocationPart, study: StudyPart, trial: TrialPart) -> TrialName:
    """Return the trial in the path."""
    return TrialName.of(StudyName(Location(project, location), study), trial)


async def _principal(request: Request) -> Principal:
    return principal_of(request.scope)


OfPrincipal = Annotated[Principal, Depends(_principal)]
InLocation = Annotated[Location, Depends(location)]
OfStudy = Annotated[StudyName, Depends(study_name)]
OfTrial = Annotated[TrialName, Depends(trial_name)]
PageSize = Annotated[
    int,
    Query(alias="pageSize", description="0 for the server's default", json_schema_extra={"minimum": 0}),
]
RequestId = Annotated[
    str,
    Query(alias="requestId", max_length=128, description="Dodona's own: the same id again gets the same answer"),
]
PageToken = Annotated[str, Query(alias="pageToken")]
