"""A network that loses replies, sends requests twice, and delivers old ones late."""

from __future__ import annotations

import random
import threading
import time

import httpx


class UnreliableTransport(httpx.BaseTransport):
    """A transport that carries requests as real networks do at their worst.

    Args:
        rng: chooses which fault comes when.
        loss: the share of requests whose reply is lost after the server has acted.
        copies: the share of requests that are sent a second time, now or later.
    """

    def __init__(self, rng: random.Random, loss: float = 0.15, copies: float = 0.15) -> None:
        self._inner = httpx.HTTPTransport(retries=0)
        self._rng = rng
        self._loss = loss
        self._copies = copies

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the reply, if it arrives."""
        content = request.read()
        reply = self._inner.handle_request(request)
        reply.read()
        if self._rng.random() < self._copies:
            delay = self._rng.choice((0.0, 0.05, 0.5))
            threading.Thread(target=self._again, args=(request, content, delay), daemon=True).start()
        if self._rng.random() < self._loss:
            raise httpx.ReadError("the reply was lost", request=request)
        return reply

    def _again(self, request: httpx.Request, content: bytes, delay: float) -> None:
        """Send the request once more, and ignore the answer."""
        time.sleep(delay)
        try:
            httpx.request(request.method, request.url, headers=request.headers, content=content, timeout=10)
        except httpx.TransportError:
            return  # the copy was lost, as in real networks

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
