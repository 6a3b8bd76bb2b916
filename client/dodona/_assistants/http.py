"""Tools over HTTP: what a server answers at `/mcp`.

Each request stands for itself: there are no sessions, so none can be taken over, and any server of a database may
answer the next request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Set
from typing import Any

import httpx
from anyio import from_thread, sleep_forever
from mcp.server.transport_security import TransportSecuritySettings

from dodona import Client, Retry
from dodona._assistants.serving import server_of
from dodona._assistants.tools import LEASE_SECONDS, WORKER

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The server has checked the request's host and origin already.
_CHECKED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
# The API is in the same process; it only refuses, such as a caller who asks too often.
_RETRY = Retry(patience_seconds=3.0, first_patience_seconds=3.0)


async def answer(api: App, project: str, calls: Set[str], scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request of an assistant.

    Args:
        api: the server's API; the tools' calls are made in the name of the request's caller.
        project: the project of the studies.
        calls: the calls of the API that the caller may make in the project.
        scope: of the request.
        receive: its body.
        send: its answer.
    """
    url = _url(scope)

    def connect() -> Client:
        return Client(
            url,
            project=project,
            worker=WORKER + "http",
            lease_seconds=LEASE_SECONDS,
            retry=_RETRY,
            transport=_InProcess(api, scope["root_path"]),
        )

    server = server_of(connect, calls)
    server.streamable_http_app(stateless_http=True, json_response=True, transport_security=_CHECKED)
    async with server.session_manager.run():
        await server.session_manager.handle_request(scope, receive, send)


def _url(scope: Scope) -> str:
    """Return the server's address, as the caller sees it."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")
    return f"{scope['scheme']}://{host}{scope['root_path']}"


class _InProcess(httpx.BaseTransport):
    """Makes calls of an API in this process, from a thread that its event loop has started."""

    def __init__(self, api: App, root_path: str) -> None:
        self._api = api
        self._root_path = root_path

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the API's answer."""
        return from_thread.run(self._answer, request, request.read())

    async def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        # The environment of the server may name a token; the caller is known already.
        request.headers.pop("authorization", None)
        scope = {
            "method": request.method,
            "path": request.url.path.removeprefix(self._root_path),
            "raw_path": request.url.raw_path.partition(b"?")[0].removeprefix(self._root_path.encode()),
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }
        started: dict[str, Any] = {}
        parts: list[bytes] = []

        unread = [body]

        async def receive() -> MutableMapping[str, Any]:
            if not unread:
                # Until the answer is whole: nobody disconnects.
                await sleep_forever()
            return {"type": "http.request", "body": unread.pop(), "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            started.update(message if message["type"] == "http.response.start" else {})
            parts.append(message.get("body", b""))

        await self._api(scope, receive, send)
        return httpx.Response(started["status"], headers=started["headers"], content=b"".join(parts))
