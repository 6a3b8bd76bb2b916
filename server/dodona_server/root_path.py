"""Path below which a proxy serves the server, such as `/dodona`."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class BelowRoot:
    """ASGI middleware for requests below a path, whether the proxy has removed the path or passes it on.

    The application sees paths without it, and finds it in the scope's `root_path` for the addresses it makes.

    Args:
        app: the application.
        root: begins with a slash and does not end with one.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope = {**scope, "root_path": self._root, "path": self._below(scope["path"])}
        if raw := scope.get("raw_path"):
            scope["raw_path"] = self._below(raw.decode("latin-1")).encode("latin-1")
        await self._app(scope, receive, send)

    def _below(self, path: str) -> str:
        if path == self._root:
            return "/"
        return path.removeprefix(self._root) if path.startswith(self._root + "/") else path
