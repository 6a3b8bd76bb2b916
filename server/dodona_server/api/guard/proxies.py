"""Trusted proxies: their headers name the client and the scheme of a request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

VARIABLE = "FORWARDED_ALLOW_IPS"
HEADERS = frozenset((b"x-forwarded-for", b"x-forwarded-proto"))


class Proxies:
    """Addresses of trusted proxies, from uvicorn's environment variable.

    Args:
        environment: the environment variables of the process.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        named = environment.get(VARIABLE)
        self._middleware: Any = ProxyHeadersMiddleware(
            _do_nothing,  # type: ignore[arg-type]  # uvicorn's types are narrower than starlette's
            trusted_hosts=named or "127.0.0.1",
        )
        self._are_named = bool(named)

    def is_proxy(self, host: str) -> bool:
        """Return whether the variable names this address. A local address is trusted anyway, but may be a client."""
        return self._are_named and host in self._middleware.trusted_hosts

    async def apply(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the client and the scheme in `scope` as a proxy names them."""
        await self._middleware(scope, receive, send)


async def _do_nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pass
