"""Health checks for containers, load balancers and start scripts: is the server alive, and is it ready?"""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute

from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.route import Routes
from dodona_server.parts import Database

routes = Routes(Dialect.OWN, route_class=APIRoute)


@routes.serve
async def healthz() -> Response:
    """Answer if the process is alive."""
    return PlainTextResponse("ok")


@routes.serve
async def readyz(store: Database) -> Response:
    """Answer if the database answers too."""
    await store.ping()
    return PlainTextResponse("ok")
