"""Health checks for containers, load balancers and start scripts: is the server alive, and is it ready?"""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from dodona_schemas.status import ErrorResponse
from dodona_server.parts import Database

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> Response:
    """Answer if the process is alive."""
    return PlainTextResponse("ok")


@router.get(
    "/readyz",
    response_class=PlainTextResponse,
    responses={503: {"model": ErrorResponse, "description": "The database does not answer"}},
)
async def readyz(store: Database) -> Response:
    """Answer if the database answers too."""
    await store.ping()
    return PlainTextResponse("ok")
