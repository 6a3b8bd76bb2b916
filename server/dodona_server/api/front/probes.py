"""Probes of containers and load balancers, answered before the framework is there."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api.calls.table import row
from dodona_server.api.front.errors import NOSNIFF, domain_response
from dodona_server.api.front.observed import note_route
from dodona_server.domain.errors import DodonaError
from dodona_server.storage.engine.store import Store

_ALIVE, _READY = row("healthz").path, row("readyz").path


class Probes:
    """ASGI middleware that answers probes and passes other requests on.

    Args:
        app: answers the others.
        store: the database of which a server that is ready has an answer.
    """

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in (_ALIVE, _READY):
            await self._app(scope, receive, send)
            return
        note_route(scope, scope["path"])
        await (await self._answer(scope["path"]))(scope, receive, send)

    async def _answer(self, path: str) -> Response:
        try:
            if path == _READY:
                await self._store.ping()
        except DodonaError as error:
            return domain_response(error)
        return PlainTextResponse("ok", headers=NOSNIFF)
