"""Whether the server lives and whether it can do its work: for containers, load balancers and start scripts."""

from __future__ import annotations

from fastapi import APIRouter, Response

from dodona_schemas.status import ErrorResponse
from dodona_server.storage.store import Store


def health_router(store: Store) -> APIRouter:
    """The two probes."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> Response:
        """The process answers."""
        return Response("ok", media_type="text/plain")

    @router.get("/readyz", responses={503: {"model": ErrorResponse, "description": "The database does not answer"}})
    async def readyz() -> Response:
        """The database answers too."""
        await store.ping()
        return Response("ok", media_type="text/plain")

    return router
