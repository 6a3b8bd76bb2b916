"""HTTP, in one place: one call of the protocol, retried until the server answers."""

from __future__ import annotations

import functools
import logging
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from dodona._errors import ApiError, ServerUnreachable, error_from_answer
from dodona._http.outage import Outage
from dodona._http.proxy import proxy_for
from dodona._http.traces import Traces
from dodona._version import __version__
from dodona_schemas.artifacts import ListArtifactsResponse
from dodona_schemas.base import WireModel
from dodona_schemas.vertex import ListStudiesResponse, ListTrialsResponse, ListWorkersResponse

logger = logging.getLogger("dodona")

FIRST_PAUSE_SECONDS = 0.1
# Short, so that every worker is back two seconds after the server is.
LONGEST_PAUSE_SECONDS = 1.5
CONNECT_TIMEOUT_SECONDS = 10.0
PAGE_SIZE = 1000
# A worker's calls ask for trials without their measurements, which the worker has itself.
BASIC_VIEW = "view=BASIC"
# A bucket may take long to confirm an upload.
UPLOAD_TIMEOUT_SECONDS = 120.0

# The answers of a server that does not know a path.
_NOTHING_THERE = {404, 405}
# A proxy's answers for a server that is starting, stopping or overloaded.
_PASSING = {408, 502, 503, 504}

# The paths of a server's pages, behind its address.
_PAGE = re.compile(r"/(studies/.+|docs/?|openapi\.json|v1(/.*)?)$")

Answer = TypeVar("Answer", bound=WireModel)
Page = TypeVar("Page", ListStudiesResponse, ListTrialsResponse, ListArtifactsResponse, ListWorkersResponse)


@dataclass(frozen=True, slots=True)
class Retry:
    """Limits on the retries of a call while the server does not answer.

    Args:
        patience_seconds: once this client has reached the server; long enough for a restart or an upgrade.
        first_patience_seconds: before the first answer; short, so that a wrong address shows soon.
    """

    patience_seconds: float = 600.0
    first_patience_seconds: float = 30.0


class Transport:
    """Connection to one project and location of a server; may be used by many threads at once.

    A call is sent again after a broken connection and after the answers 408, 502, 503 and 504, with full-jitter
    exponential back-off. After 429 with `Retry-After` it is sent again when that time is over. That is safe for every
    call: calls that create something carry a request id, and the others change nothing the second time, because the
    resource is already in the new state.

    Args:
        url: the server's address, such as "http://127.0.0.1:8080".
        parent: where the studies live, as a path: "projects/p/locations/l".
        token: the secret sent with each call; None to send none.
        timeout: seconds to wait for the answer to one try.
        retry: how long to retry.
        transport: the httpx transport that carries the requests; None for the network.

    Raises:
        ValueError: the address or the token is not valid.
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
        self.timeout = timeout
        self._base = f"{self.url}/v1/{parent}/"
        self._retry = retry
        self._reached = False
        self._closed = False
        # Built once for all requests: httpx's Client would merge and check them for each.
        self._headers = httpx.Headers(
            {
                "Host": _parsed(self.url).netloc.decode(),
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Connection": "keep-alive",
                "Content-Type": "application/json",
                "User-Agent": f"dodona/{__version__}",
            }
        )
        if token:
            self._headers["Authorization"] = f"Bearer {_checked_token(token)}"
        self.traces = Traces()
        self._given = transport
        self._proxy = proxy_for(_parsed(self.url)) if transport is None else None
        self.outage = Outage(self._address_text)
        self._wire = transport or self._connected()

    def _connected(self) -> httpx.BaseTransport:
        # Longer than httpx's five seconds: a worker is silent between two epochs.
        limits = httpx.Limits(keepalive_expiry=60.0)
        if self._proxy is None:
            # For plain HTTP, a context that trusts no certificate: the usual one reads all that the system trusts.
            encrypted = _parsed(self.url).scheme == "https"
            return httpx.HTTPTransport(limits=limits, verify=encrypted or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return self._proxy.transport(_parsed(self.url), limits)

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        self._wire.close()

    def after_fork(self) -> None:
        """Leave the connections to the parent; the child opens its own."""
        self.outage = Outage(self._address_text)
        self._wire = self._given or self._connected()

    @property
    def _proxy_text(self) -> str | None:
        return None if self._proxy is None else str(self._proxy)

    @property
    def _address_text(self) -> str:
        return self.url if self._proxy is None else f"{self.url} (through {self._proxy})"

    def unreachable(self, waited_seconds: float, cause: Exception) -> ServerUnreachable:
        """Return the error for a call without an answer.

        Args:
            waited_seconds: how long the client tried.
            cause: the last failure.
        """
        return ServerUnreachable(self.url, waited_seconds, cause, self._proxy_text)

    def _refusal(self, response: httpx.Response) -> ApiError:
        error = error_from_answer(response.status_code, response.content, self._proxy_text)
        path = _parsed(self.url).path.rstrip("/")
        if path and response.status_code in _NOTHING_THERE and not _is_of_resource(error):
            error.message += f"; is Dodona really below the path {path!r} of {self.url}?"
        return error

    @property
    def patience_seconds(self) -> float:
        """Seconds that the client waits for a server that it has reached before."""
        return self._retry.patience_seconds

    def call(
        self,
        method: str,
        path: str,
        body: WireModel | bytes | None,
        answer: type[Answer],
        *,
        patience: float | None = None,
        timeout: float | None = None,
        trace: str = "",
    ) -> Answer:
        """Return the server's answer to one call.

        Args:
            method: the HTTP method.
            path: the path below the location, such as "studies/s/trials:suggest".
            body: the message, the same at every try; None for a call without a body.
            answer: the model of the answer.
            patience: seconds to try at most, if shorter than `retry` allows.
            timeout: seconds to wait for the answer to one try, if shorter than the client's.
            trace: the id of the trace that the call belongs to; empty for that of the trial in the path.

        Raises:
            ServerUnreachable: no answer for as long as `retry` and `patience` allow.
            ApiError: the server refused; the class says how to react.
            RuntimeError: the client is closed.
        """
        content = body.to_json() if isinstance(body, WireModel) else body
        seconds = self.timeout if timeout is None else min(timeout, self.timeout)
        request = httpx.Request(
            method,
            _parsed(self._base + path),
            headers=self._headers,
            content=content,
            extensions={"timeout": _timeouts(seconds)},
        )
        request.headers.update(self.traces.headers(path, trace))
        return self._parse(self._send(lambda: request, patience=patience), answer)

    def upload(
        self,
        path: str,
        content: Callable[[], Iterator[bytes]],
        headers: Mapping[str, str],
        answer: type[Answer],
        *,
        patience: float | None = None,
    ) -> Answer:
        """Send a PUT and return the server's answer.

        Args:
            path: the path below the location.
            content: returns the content in pieces, from its beginning at every try.
            headers: added to those of every call.
            answer: the model of the answer.
            patience: see `call`.

        Raises:
            DodonaError: see `call`.
        """

        def request() -> httpx.Request:
            return httpx.Request(
                "PUT",
                _parsed(self._base + path),
                headers=self._with({**headers, **self.traces.headers(path)}),
                content=content(),
                extensions={"timeout": _timeouts(max(self.timeout, UPLOAD_TIMEOUT_SECONDS))},
            )

        return self._parse(self._send(request, patience=patience), answer)

    def download(self, path: str, receive: Callable[[httpx.Response], None]) -> None:
        """Fetch content of any length.

        Args:
            path: the path below the location.
            receive: reads the content of the answer; an httpx TransportError from it causes another try.

        Raises:
            DodonaError: see `call`.
        """
        request = httpx.Request(
            "GET",
            _parsed(self._base + path),
            headers=self._with({"Accept": "*/*", "Accept-Encoding": "identity", **self.traces.headers(path)}),
            extensions={"timeout": _timeouts(self.timeout)},
        )
        response = self._send(lambda: request, receive)
        if not response.is_success:
            raise self._refusal(response)

    def _with(self, headers: Mapping[str, str]) -> httpx.Headers:
        merged = self._headers.copy()
        merged.update(headers)
        return merged

    def _parse(self, response: httpx.Response, answer: type[Answer]) -> Answer:
        if not response.is_success:
            raise self._refusal(response)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            message = f"the answer of {self._address_text} is not Dodona's; does DODONA_URL name another server?"
            raise ApiError(response.status_code, "UNKNOWN", message) from error

    def pages(self, path: str, answer: type[Page]) -> Iterator[Page]:
        """Yield all pages of a list; each is fetched when the caller asks for it.

        Args:
            path: the list's path below the location, with a query if it needs one.
            answer: the model of a page.

        Raises:
            DodonaError: see `call`.
        """
        token = ""
        path += "&" if "?" in path else "?"
        while True:
            page = self.call("GET", f"{path}pageSize={PAGE_SIZE}&pageToken={quote(token)}", None, answer)
            yield page
            token = page.next_page_token
            if not token:
                return

    def _send(
        self,
        request: Callable[[], httpx.Request],
        receive: Callable[[httpx.Response], object] = httpx.Response.read,
        patience: float | None = None,
    ) -> httpx.Response:
        """Return the first answer that is not a passing failure; `receive` reads its content if it is a success."""
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            outcome = self._try(request(), receive)
            if isinstance(outcome, httpx.Response):
                self._reached = True
                self.outage.call_answered()
            waited = time.monotonic() - started
            left = (self._retry.patience_seconds if self._reached else self._retry.first_patience_seconds) - waited
            if patience is not None:
                left = min(left, patience - waited)
            if isinstance(outcome, httpx.Response):
                pause = _pause_of(outcome)
                if pause is None or pause > left:
                    return outcome
                time.sleep(pause + pause_after(tries))
                continue
            if left <= 0:
                raise self.unreachable(waited, outcome) from outcome
            self.outage.call_failed(outcome, left if patience is None else None)
            time.sleep(min(left, pause_after(tries)))

    def _try(self, request: httpx.Request, receive: Callable[[httpx.Response], object]) -> httpx.Response | Exception:
        """Return the answer, or the failure after which the call can be sent again."""
        if self._closed:
            raise RuntimeError("the client is closed")
        try:
            response = self._wire.handle_request(request)
            try:
                (receive if response.is_success else httpx.Response.read)(response)
            finally:
                response.close()
        except (httpx.TransportError, httpx.DecodingError) as error:
            return error
        if response.status_code in _PASSING:
            return self._refusal(response)
        return response


def _pause_of(response: httpx.Response) -> float | None:
    """Return how many seconds a server wants to be left alone by a client that asks too often; None if it does not."""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return None
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None


def _is_of_resource(error: ApiError) -> bool:
    """Return whether the server knows the call, but not the study or trial."""
    return error.status == "NOT_FOUND" and not error.message.startswith("there is nothing at")


def pause_after(tries: int) -> float:
    """Return how many seconds to pause after a number of failures in a row; full jitter spreads the workers.

    Args:
        tries: 1 or more.
    """
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
    return random.uniform(0, longest)  # noqa: S311 - jitter needs no secrets


# Parsing an address costs more than everything else that the client does for a report.
@functools.lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


@functools.lru_cache(maxsize=16)
def _timeouts(seconds: float) -> dict[str, Any]:
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_SECONDS)).as_dict()


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is not the address of a server: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{url!r} is not the address of a server; write it as in 'http://127.0.0.1:8080'")
    if page := _PAGE.search(parsed.path):
        # The address was copied from the browser.
        url = str(parsed.copy_with(path=parsed.path[: page.start()] or "/", query=None, fragment=None))
        parsed = httpx.URL(url)
    if parsed.userinfo or parsed.query or parsed.fragment:
        # The message leaves the address out: it may hold a password.
        raise ValueError("the server's address has more than a host, a port and a path; pass a secret as token=")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        raise ValueError("the token has spaces around it or characters that an HTTP header cannot contain")
    return token
