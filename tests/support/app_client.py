"""A client of an ASGI application in this process.

Starlette's test client does the same with nine calls between two threads for each request, which took more CPU than the
server's answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Self

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal


class AppClient(httpx.Client):
    """Sends requests to an application, which runs in an event loop of another thread.

    As a context manager, it starts the application and ends it. An answer is returned once it is complete.

    Args:
        app: the ASGI application.
        base_url: how requests name the server.
        client: the address and port that requests come from.
        raise_server_exceptions: whether an exception of the application is raised here, too, or answered with 500.
        options: see `httpx.Client`.
    """

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        *,
        client: tuple[str, int] = ("testclient", 50000),
        raise_server_exceptions: bool = True,
        **options: Any,
    ) -> None:
        self.app = app
        self.portal: BlockingPortal | None = None
        transport = _Transport(self, client, raise_server_exceptions)
        options = {"follow_redirects": True, "trust_env": False, **options}
        super().__init__(base_url=base_url, transport=transport, **options)

    def __enter__(self) -> Self:
        super().__enter__()
        with ExitStack() as stack:
            self.portal = stack.enter_context(start_blocking_portal())
            stack.callback(setattr, self, "portal", None)
            stack.enter_context(self.portal.wrap_async_context_manager(_lifespan(self.app)))
            self._running = stack.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._running.close()


class _Transport(httpx.BaseTransport):
    def __init__(self, client: AppClient, address: tuple[str, int], raises: bool) -> None:
        self._client, self._address, self._raises = client, address, raises

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if self._client.portal is not None:
            return self._client.portal.call(self._answer, request)
        with start_blocking_portal() as portal:
            return portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "server": (request.url.host, request.url.port or {"http": 80, "https": 443}[request.url.scheme]),
            "client": self._address,
            "state": {},
        }
        status, headers, body = 500, [], list[bytes]()
        to_read, is_complete = [request.content], asyncio.Event()

        async def receive() -> dict[str, Any]:
            if to_read:
                return {"type": "http.request", "body": to_read.pop(), "more_body": False}
            await is_complete.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            elif message["type"] == "http.response.body":
                assert not is_complete.is_set(), "the application sends more than its answer"
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    is_complete.set()

        try:
            await self._client.app(scope, receive, send)
        except Exception:
            if self._raises:
                raise
        content = b"" if request.method == "HEAD" else b"".join(body)
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    """Start an application, and end it."""
    requests, answers = asyncio.Queue[dict[str, Any]](), asyncio.Queue[dict[str, Any]]()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(app(scope, requests.get, answers.put))

    async def send(event: str) -> None:
        await requests.put({"type": f"lifespan.{event}"})
        answer = asyncio.ensure_future(answers.get())
        await asyncio.wait([running, answer], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] == f"lifespan.{event}.failed":
            answer.cancel()
            await running
            raise RuntimeError(f"the application's {event} failed")

    await send("startup")
    yield
    await send("shutdown")
    await running
