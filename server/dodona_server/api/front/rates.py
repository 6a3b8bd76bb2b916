"""How many requests one principal may make a second: more of them would take the server from the others."""

from __future__ import annotations

import math
import re
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api.calls.call import pattern_of
from dodona_server.api.calls.table import CALLS
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.principal import principal_of

# After a pause, a principal may make the requests of this many seconds at once.
BURST_SECONDS = 5.0
# A worker that holds a trial is never refused: its results must arrive.
_ALWAYS = frozenset(
    {
        "add_measurement",
        "add_trial_measurement",
        "complete_trial",
        "heartbeat_trial",
        "release_trial",
        "report_trials",
        "save_artifact",
    }
)


class Rates:
    """ASGI middleware behind `Guard` that refuses the requests of a principal beyond its rate.

    Each process counts for itself. The counts are token buckets, which fill at the rate.

    Args:
        app: the application.
        per_second: of each principal, in the mean.
    """

    def __init__(self, app: ASGIApp, per_second: float) -> None:
        self._app = app
        self._rate = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        # By the principal's name: what is left in the bucket, and when that was.
        self._left: dict[str, tuple[float, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        principal = principal_of(scope)
        # Strangers have no roles: together they must not keep others from signing in, nor fail a health check.
        missing = self._missing(principal.name) if principal.roles else 0.0
        if missing <= 0 or _is_always_answered(scope):
            await self._app(scope, receive, send)
            return
        seconds = math.ceil(missing / self._rate)
        limit = f"{self._rate:g} requests a second, the server's DODONA_MAX_REQUESTS_PER_SECOND"
        message = f"this is more than {limit}: ask again after {seconds} s"
        headers = {"Retry-After": str(seconds)}
        await error_response(429, "RESOURCE_EXHAUSTED", message, headers)(scope, receive, send)

    def _missing(self, name: str) -> float:
        """Take a request from the principal's bucket; return what the bucket lacks for it, and take nothing then."""
        now = time.monotonic()
        left, since = self._left.get(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        missing = max(0.0, 1.0 - left)
        self._left[name] = (left if missing else left - 1.0, now)
        return missing


def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    rows = [call for call in CALLS if call.name in _ALWAYS]
    return [(call.method, pattern_of(path)) for call in rows for path in {call.path, call.served_at}]


_ALWAYS_ANSWERED = _patterns()


def _is_always_answered(scope: Scope) -> bool:
    return any(method == scope["method"] and pattern.fullmatch(scope["path"]) for method, pattern in _ALWAYS_ANSWERED)
