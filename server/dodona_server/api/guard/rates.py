"""Limits on requests a second, of one principal and of one project, so that nobody keeps the others waiting."""

from __future__ import annotations

import math
import re
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_server.api.calls.call import pattern_of
from dodona_server.api.calls.table import CALLS
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.principal import principal_of
from dodona_server.domain.access.roles import Principal

# After a pause, a principal may make the requests of this many seconds at once.
BURST_SECONDS = 5.0
MAX_REMEMBERED = 10_000
# The project of calls and of pages.
_PROJECT = re.compile(r"(?:/[a-z0-9]+)*/(?:projects|studies)/([^/]+)/")
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
    """ASGI middleware behind `Guard` that refuses the requests of a principal, or to a project, beyond a rate.

    Each process counts for itself. The counts are token buckets, which fill at the rate.

    Args:
        app: the application.
        per_principal: requests a second of each principal, in the mean; None for no limit.
        per_project: those of all principals to each project.
    """

    def __init__(self, app: ASGIApp, per_principal: float | None, per_project: float | None) -> None:
        self._app = app
        self._principals = _Buckets(per_principal, "DODONA_MAX_REQUESTS_PER_SECOND")
        self._projects = _Buckets(per_project, "DODONA_MAX_PROJECT_REQUESTS_PER_SECOND")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        principal = principal_of(scope)
        # Strangers have no roles: together they must not keep others from signing in, nor fail a health check.
        message, seconds = self._refusal(principal, scope["path"]) if principal.roles else ("", 0)
        if not message or _is_always_answered(scope):
            await self._app(scope, receive, send)
            return
        headers = {"Retry-After": str(seconds)}
        await error_response(429, "RESOURCE_EXHAUSTED", message, headers)(scope, receive, send)

    def _refusal(self, principal: Principal, path: str) -> tuple[str, int]:
        """Count a request; return why it is refused and after how many seconds to ask again, or nothing."""
        message, seconds = self._principals.count(principal.name)
        found = _PROJECT.match(path)
        # A caller without a role in a project uses nothing of its rate.
        if message or not found or not principal.sees(found[1]):
            return message, seconds
        return self._projects.count(found[1])


class _Buckets:
    """Token buckets by name.

    Args:
        rate: how many requests a second fill each; None for no limit.
        setting: what sets the rate.
    """

    def __init__(self, rate: float | None, setting: str) -> None:
        self._rate = rate
        self._setting = setting
        # What is left in the bucket, and when that was.
        self._left: dict[str, tuple[float, float]] = {}

    def count(self, name: str) -> tuple[str, int]:
        """Take a request from a bucket; if it is empty, return why that is refused, and the seconds to wait."""
        if self._rate is None:
            return "", 0
        if len(self._left) > MAX_REMEMBERED:
            self._left.clear()
        now, most = time.monotonic(), max(1.0, self._rate * BURST_SECONDS)
        left, since = self._left.get(name, (most, now))
        left = min(most, left + (now - since) * self._rate)
        missing = max(0.0, 1.0 - left)
        self._left[name] = (left if missing else left - 1.0, now)
        if not missing:
            return "", 0
        seconds = math.ceil(missing / self._rate)
        limit = f"{self._rate:g} requests a second, the server's {self._setting}"
        return f"this is more than {limit}: ask again after {seconds} s", seconds


def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    rows = [call for call in CALLS if call.name in _ALWAYS]
    return [(call.method, pattern_of(path)) for call in rows for path in {call.path, call.served_at}]


_ALWAYS_ANSWERED = _patterns()


def _is_always_answered(scope: Scope) -> bool:
    return any(method == scope["method"] and pattern.fullmatch(scope["path"]) for method, pattern in _ALWAYS_ANSWERED)
