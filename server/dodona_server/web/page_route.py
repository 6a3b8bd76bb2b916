"""Routes of the pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from dodona_server.domain.errors import DodonaError, InvalidArgument, NotFound
from dodona_server.web.errors import error_context
from dodona_server.web.rendering import page
from dodona_server.web.sharing import SharedAnswers


class PageRoute(APIRoute):
    """A route that answers errors with a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler, with a page for its errors; pages that follow a study share answers."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            shared: SharedAnswers = request.app.state.shared_answers
            try:
                return await shared.answer(request, handler)
            except (NotFound, InvalidArgument) as error:
                return await page(request, "error.html", 404, **error_context(404, error.message))
            except DodonaError as error:
                return await page(request, "error.html", 503, **error_context(503, error.message))

        return guarded
