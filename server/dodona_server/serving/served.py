"""Application as the server runs it: it answers the trial loop before it has imported the framework."""

from __future__ import annotations

import asyncio
import gc
import threading

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.composition import Composition
from dodona_server.middleware import behind_guard, front
from dodona_server.options import Options
from dodona_server.storage.engine.store import Store


class ServedApp:
    """Application of `app.create_app`, whose framework and routes are imported once the server listens.

    Importing them takes as long as everything else until then, and workers that wait for a server that restarts do not
    need them. A call that has only a route waits until they are there.

    Args:
        store: where studies and trials are kept.
        options: the server's options.
        stopping: set when the server shuts down, to end calls that wait.
    """

    def __init__(self, store: Store, options: Options, stopping: threading.Event) -> None:
        self._parts = Composition(store, options, stopping)
        self._options = options
        self._inner = behind_guard(self._parts, options, self._framework)
        self._front = front(self._parts, options, self._inner)
        self._lifespan = Router(lifespan=lambda _: self._parts.running())
        self._loading: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await (self._front if scope["type"] == "http" else self._lifespan)(scope, receive, send)

    def load(self) -> asyncio.Future[ASGIApp]:
        """Return the framework's application, as a future: it is imported beside the event loop."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(self._loaded))
        return self._loading

    async def _framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Shielded: others wait for the same.
        framework = await asyncio.shield(self.load())
        await framework(scope, receive, send)

    def _loaded(self) -> ASGIApp:
        from dodona_server.app import application

        app = application(self._parts, self._options)
        # Calls within calls pass the same limits as all others.
        app.state.behind_guard = self._inner
        # As at the start of the server: what was imported stays, so the collector need not visit it.
        gc.freeze()
        return app.framework
