"""Tools of assistants: the Model Context Protocol over HTTP, and the call that names the caller.

The tools are the client's, which an entry point names: no package of the server imports one of the client. They make
calls of the API in this process in the name of the caller, so each call is checked, counted and audited like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_schemas.access import Caller
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.principal import principal_of, remember
from dodona_server.api.front.route import InLocation, OfPrincipal, Routes
from dodona_server.aside import aside
from dodona_server.domain.access.roles import ALL, Principal
from dodona_server.domain.errors import InvalidArgument

# The only entry point of this group answers a request: with the API, the project, the calls that are allowed there, and
# the request.
GROUP = "dodona.assistants"
DEFAULT_PROJECT = "default"
Assistants = Callable[[ASGIApp, str, frozenset[str], Scope, Receive, Send], Awaitable[None]]

routes = Routes(Dialect.OWN)


@routes.serve
async def get_caller(parent: InLocation, by: OfPrincipal) -> Response:
    """Return the caller, and the calls that are allowed in the project."""
    return Answer(Caller(name=by.name, roles=by.roles_in(parent.project), calls=by.calls_in(parent.project)))


@routes.serve
async def mcp(request: Request, by: OfPrincipal, project: str = "") -> Response:
    """Answer a message of the Model Context Protocol with the tools that the caller's role allows."""
    project = project or _project_of(by)
    by.check("get_caller", project)
    # Its packages take a second to load.
    found = await aside(_assistants)
    if found is None:
        return error_response(501, "UNIMPLEMENTED", "this server has no mcp: pip install 'dodona[server,mcp]'")
    answer = found
    api, calls = _as_caller(request.scope), frozenset(by.calls_in(project))

    class Forwarded(Response):
        """Answer of the assistants' application."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await answer(api, project, calls, scope, receive, send)

    return Forwarded()


@functools.cache
def _assistants() -> Assistants | None:
    """Return the application for requests of assistants; None if a package is missing."""
    try:
        (entry,) = entry_points(group=GROUP)
        answer: Assistants = entry.load()
    except (ImportError, ValueError):
        return None
    return answer


def _project_of(caller: Principal) -> str:
    """Return the project of a caller who names none.

    Raises:
        InvalidArgument: the caller has several.
    """
    places = sorted({place for place, _ in caller.roles})
    if ALL in places:
        return DEFAULT_PROJECT
    if len(places) > 1:
        raise InvalidArgument(f"name one of your projects, as in /mcp?project={places[0]}: {', '.join(places)}")
    return places[0]


def _as_caller(original: Scope) -> ASGIApp:
    """Return the API behind the guard, for calls of the principal who makes the original request."""
    api: ASGIApp = original["app"].state.behind_guard
    named = ("asgi", "http_version", "scheme", "client", "server", "root_path")
    connection = {key: original[key] for key in named if key in original}

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**connection, **scope, "type": "http"}
        remember(scope, principal_of(original))
        await api(scope, receive, send)

    return call
