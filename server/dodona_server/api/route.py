"""How routes read requests and write answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import HTTPException, Path, Request, Response
from fastapi.routing import APIRoute

from dodona_schemas.base import WireModel
from dodona_server.domain.names import Location, StudyName, TrialName


class LenientRoute(APIRoute):
    """A route that takes an empty body as `{}`, as Google's servers do, and no other format than JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler behind a look at the body."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def lenient(request: Request) -> Response:
            content_type = request.headers.get("content-type") or "application/json"
            if not await request.body():
                request._body = b"{}"  # noqa: SLF001 - where Request keeps the body that it has read
            elif "json" not in content_type:
                raise HTTPException(415, f"send JSON with 'Content-Type: application/json', not {content_type!r}")
            return await handler(request)

        return lenient


def answer(message: WireModel) -> Response:
    """A message as a response, without the framework's second look at it."""
    return Response(message.to_json(), media_type="application/json")


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
