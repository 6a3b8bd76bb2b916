"""HTTP, in this one place: one call of the protocol, sent until it is answered."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from dodona._errors import ApiError, NotFound, ServerUnreachable, error_from_answer
from dodona._version import __version__
from dodona_schemas.base import WireModel
from dodona_schemas.vertex import ListStudiesResponse, ListTrialsResponse

logger = logging.getLogger("dodona")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
SECONDS_BETWEEN_WARNINGS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0
PAGE_SIZE = 1000

# A proxy's words for a server that is starting, stopping or overloaded.
_PASSING = {502, 503, 504}

Answer = TypeVar("Answer", bound=WireModel)
Page = TypeVar("Page", ListStudiesResponse, ListTrialsResponse)


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a call is tried while the server does not answer.

    Args:
        patience_seconds: once this client has reached the server: long enough for a restart or an upgrade.
        first_patience_seconds: before it ever has: a wrong address should show soon.
    """

    patience_seconds: float = 600.0
    first_patience_seconds: float = 30.0


class Transport:
    """Sends calls to one project and location of one server; may be used by many threads at once.

    A call is sent again after a broken connection and after the answers 502, 503 and 504, with full-jitter
    exponential back-off. That is safe for every call: those that create something carry a request id, and the
    state of the resource makes the others no-ops the second time.

    Args:
        url: the server's address, such as "http://127.0.0.1:8080".
        parent: where the studies live, as a path: "projects/p/locations/l".
        token: the secret sent with each call; None to send none.
        timeout: seconds to wait for the answer to one try.
        retry: how long to try.
        transport: what carries the requests; None for the network.

    Raises:
        ValueError: the address or the token cannot be one.
    """

    def __init__(
        self,
        url: str,
        parent: str,
        *,
        token: str | None,
        timeout: float,
        retry: Retry,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.url = _checked_url(url)
        self._base = f"{self.url}/v1/{parent}/"
        self._retry = retry
        self._reached = False
        self._outage = _Outage(self.url)
        headers = {"Content-Type": "application/json", "User-Agent": f"dodona/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {_checked_token(token)}"
        self._http = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_SECONDS)),
            # Between two epochs a worker is silent for longer than httpx's five seconds.
            limits=httpx.Limits(keepalive_expiry=60.0),
            transport=transport,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def call(self, method: str, path: str, body: WireModel | None, answer: type[Answer]) -> Answer:
        """The server's answer to one call.

        Args:
            method: of HTTP.
            path: below the location, such as "studies/s/trials:suggest".
            body: what is sent, the same at every try; None for a call without a body.
            answer: the model of what comes back.

        Raises:
            ServerUnreachable: nobody answered for as long as `retry` allows.
            ApiError: the server refused, by its class for the reason.
        """
        content = None if body is None else body.to_json()
        response, tries = self._send(method, self._base + path, content)
        if not response.is_success:
            error = error_from_answer(response.status_code, response.content)
            if method == "DELETE" and tries > 1 and isinstance(error, NotFound):
                # An earlier try did delete it, and its answer got lost.
                return answer()
            raise error
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            message = f"the answer of {self.url} is not Dodona's; does DODONA_URL name another server?"
            raise ApiError(response.status_code, "UNKNOWN", message) from error

    def pages(self, path: str, answer: type[Page]) -> Iterator[Page]:
        """All pages of a list; each is fetched when it is asked for.

        Args:
            path: of the list, below the location.
            answer: the model of a page.

        Raises:
            DodonaError: as of `call`.
        """
        token = ""
        while True:
            page = self.call("GET", f"{path}?pageSize={PAGE_SIZE}&pageToken={quote(token)}", None, answer)
            yield page
            token = page.next_page_token
            if not token:
                return

    def _send(self, method: str, url: str, content: bytes | None) -> tuple[httpx.Response, int]:
        """The first answer that is no passing failure, and how many tries it took."""
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            outcome = self._try(method, url, content)
            if isinstance(outcome, httpx.Response):
                self._reached = True
                self._outage.over()
                return outcome, tries
            waited = time.monotonic() - started
            retry = self._retry
            left = (retry.patience_seconds if self._reached else retry.first_patience_seconds) - waited
            if left <= 0:
                raise ServerUnreachable(self.url, waited, outcome) from outcome
            self._outage.goes_on(outcome, left)
            longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
            time.sleep(min(left, random.uniform(0, longest)))  # noqa: S311 - jitter needs no secrets

    def _try(self, method: str, url: str, content: bytes | None) -> httpx.Response | Exception:
        """The answer, or the failure after which the call may be sent again."""
        try:
            response = self._http.request(method, url, content=content)
        except (httpx.TransportError, httpx.DecodingError) as error:
            return error
        if response.status_code in _PASSING:
            return error_from_answer(response.status_code, response.content)
        return response


class _Outage:
    """Tells the user, once and then now and again, that the server does not answer, whatever number of threads wait."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._since: float | None = None
        self._warned = 0.0

    def goes_on(self, cause: Exception, left_seconds: float) -> None:
        with self._lock:
            now = time.monotonic()
            if self._since is None:
                self._since = now
            elif now - self._warned < SECONDS_BETWEEN_WARNINGS:
                return
            self._warned = now
        words = str(cause) or type(cause).__name__
        left = _spoken(left_seconds)
        logger.warning("the server at %s does not answer (%s); trying again for up to %s", self._url, words, left)

    def over(self) -> None:
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning("the server at %s answers again after %s", self._url, _spoken(time.monotonic() - since))


def _spoken(seconds: float) -> str:
    """A length of time for people: "9 min 48 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no address of a server: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{url!r} is no address of a server; write it as in 'http://127.0.0.1:8080'")
    if parsed.userinfo or parsed.query or parsed.fragment:
        # The words are not repeated: they may hold a password.
        raise ValueError("the server's address holds more than a host, a port and a path; a secret goes into token=")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        raise ValueError("the token holds spaces around it or characters that no HTTP header may hold")
    return token
