"""Answers that open pages share: those that heard of the same change get the same one, which is made once.

A page that asks again because of a change names its mark in a header. Whatever was made for that mark was read after
the change, so it is as new as the page needs. A request without the header is always computed again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

MARK = "dodona-mark"
MAX_MARK = 64
# Some megabytes at most.
MAX_ANSWERS = 64

Handler = Callable[[Request], Awaitable[Response]]
_Key = tuple[str, ...]


class SharedAnswers:
    """Latest answers to pages that follow something."""

    def __init__(self) -> None:
        self._answers: OrderedDict[_Key, asyncio.Task[Response]] = OrderedDict()

    async def answer(self, request: Request, handler: Handler) -> Response:
        """Return the handler's answer, or the one that it gave to an equal request for the same mark."""
        mark = request.headers.get(MARK, "")
        if not mark or len(mark) > MAX_MARK:
            return await handler(request)
        key = (mark, str(request.url), repr(request.state.principal), request.headers.get("accept-encoding", ""))
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(_answered(handler, _whole(request)))
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
        try:
            made = await asyncio.shield(task)
        except Exception:
            self._answers.pop(key, None)
            raise
        tag = made.headers.get("etag")
        if made.status_code == 200 and tag is not None and tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag, "Cache-Control": made.headers["cache-control"]})
        return Response(made.body, made.status_code, dict(made.headers))


async def _answered(handler: Handler, request: Request) -> Response:
    return await handler(request)


def _whole(request: Request) -> Request:
    """Return the same request without the copy that its client has: the answer is for others too."""
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"if-none-match"]
    return Request({**request.scope, "headers": headers}, request.receive)
