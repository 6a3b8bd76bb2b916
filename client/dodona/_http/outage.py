"""Log lines for the user while the server does not answer."""

from __future__ import annotations

import logging
import threading
import time

logger = logging.getLogger("dodona")

SECONDS_BETWEEN_WARNINGS = 30.0


class Outage:
    """Warnings that the server does not answer: at once, then every 30 s, however many threads wait.

    Args:
        url: the server's address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._since: float | None = None
        self._warned = 0.0

    def call_failed(self, cause: Exception, left_seconds: float | None) -> None:
        """Record that a call has failed and will be retried.

        Args:
            cause: the failure.
            left_seconds: how long it will be retried; None if no caller waits for it.
        """
        with self._lock:
            now = time.monotonic()
            if self._since is None:
                self._since = now
            elif now - self._warned < SECONDS_BETWEEN_WARNINGS:
                return
            self._warned = now
        words = str(cause) or type(cause).__name__
        limit = "" if left_seconds is None else f" for up to {_spoken(left_seconds)}"
        logger.warning("the server at %s does not answer (%s); trying again%s", self._url, words, limit)

    def call_answered(self) -> None:
        """Record that a call was answered."""
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning("the server at %s answers again after %s", self._url, _spoken(time.monotonic() - since))


def _spoken(seconds: float) -> str:
    """Return a length of time for people: "9 min 48 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
