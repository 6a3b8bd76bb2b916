"""The load: workers on raw keep-alive sockets, each repeating ask, 3 reports, complete.

The HTTP is written by hand, since a real client library costs more than the server.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

REPORTS = 3
CALLS = REPORTS + 2
KINDS = ("ask", "report", "complete")
TIMEOUT_SECONDS = 30
# The workers run this much longer than the measured time, whose end may be noticed late on a busy machine.
RUN_OUT_SECONDS = 1.5
# The pause before a worker that lost its server tries again.
PAUSE_SECONDS = 0.1

LOCATION = "/v1/projects/default/locations/local"
STUDY_SPEC = {
    "algorithm": "RANDOM_SEARCH",
    "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
    "parameters": [
        *(
            {
                "parameterId": f"rate_{index}",
                "doubleValueSpec": {"minValue": 1e-5, "maxValue": 1e-1},
                "scaleType": "UNIT_LOG_SCALE",
            }
            for index in range(4)
        ),
        *(
            {"parameterId": f"share_{index}", "doubleValueSpec": {"minValue": 0.0, "maxValue": 1.0}}
            for index in range(2)
        ),
        *(
            {"parameterId": f"units_{index}", "integerValueSpec": {"minValue": "1", "maxValue": "512"}}
            for index in range(2)
        ),
        *(
            {
                "parameterId": f"choice_{index}",
                "categoricalValueSpec": {"values": ["relu", "tanh", "gelu", "selu"]},
            }
            for index in range(2)
        ),
    ],
}

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(rb'"id":"(\d+)"')

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """A call's kind, its end (seconds, on the clock that all processes share) and its duration."""

    kind: str
    ended: float
    seconds: float
    worker: int = 0


class Session(Protocol):
    """The connection of a worker, which repeats a cycle."""

    def cycle(self) -> Iterator[Call]:
        """Run one trial: ask, 3 reports, complete; return the calls."""


def timed(kind: str, function: Callable[[], Result]) -> tuple[Call, Result]:
    """Make a call of that kind, and return it with its answer."""
    began = time.monotonic()
    result = function()
    ended = time.monotonic()
    return Call(kind, ended, ended - began), result


class Connection:
    """One keep-alive connection to a server on loopback.

    Args:
        port: the server's.
        token: sent with each request; empty for none.

    """

    def __init__(self, port: int, token: str = "") -> None:
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._headers = f"Host: 127.0.0.1:{port}\r\nAccept: */*\r\n{authorization}"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: str) -> bytes:
        """Return the answer's body.

        Raises:
            RuntimeError: the server refused the call or closed the connection.

        """
        return self._call(
            path,
            f"POST {path} HTTP/1.1\r\n{self._headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        )

    def get(self, path: str) -> bytes:
        """Return the answer's body.

        Raises:
            RuntimeError: see `post`.

        """
        return self._call(path, f"GET {path} HTTP/1.1\r\n{self._headers}\r\n")

    def _call(self, path: str, request: str) -> bytes:
        self._socket.sendall(request.encode())
        received = self._socket.recv(65536)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        length = _LENGTH.search(received, 0, end)
        missing = end + 4 + int(length[1] if length else 0) - len(received)
        while missing > 0:
            more = self._more()
            received += more
            missing -= len(more)
        if not received.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {received.decode()}")
        return received[end + 4 :]

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise RuntimeError("the server closed the connection")
        return received


class RawSession:
    """A worker of Dodona, or of the floor, on a raw connection.

    Args:
        port: the server's, on loopback.
        study: the study's path, from /v1 on.
        client_id: the worker's.
        token: see `Connection`.

    """

    def __init__(self, port: int, study: str, client_id: str, token: str = "") -> None:
        self._port = port
        self._study = study
        self._client_id = client_id
        self._token = token
        self._connection: Connection | None = Connection(port, token)

    def cycle(self) -> Iterator[Call]:
        """See `Session`; after a failure, open a new connection first."""
        if self._connection is None:
            self._connection = Connection(self._port, self._token)
        connection, self._connection = self._connection, None
        body = f'{{"suggestionCount":1,"clientId":"{self._client_id}","requestId":"{uuid.uuid4().hex}"}}'
        call, answer = timed("ask", lambda: connection.post(f"{self._study}/trials:suggest", body))
        yield call
        number = _NUMBER.search(answer)
        if number is None:
            raise RuntimeError(f"no trial in {answer.decode()}")
        trial = f"{self._study}/trials/{number[1].decode()}"
        loss = random.random()
        for step in range(1, REPORTS + 1):
            loss *= 0.9
            yield _told(connection, "report", f"{trial}:addTrialMeasurement", "measurement", step, loss)
        done = _told(connection, "complete", f"{trial}:complete", "finalMeasurement", REPORTS, loss)
        self._connection = connection
        yield done


def _told(connection: Connection, kind: str, path: str, name: str, step: int, loss: float) -> Call:
    body = (
        f'{{"{name}":{{"elapsedDuration":"{step}.500s","stepCount":"{step}",'
        f'"metrics":[{{"metricId":"loss","value":{loss!r}}}]}}}}'
    )
    return timed(kind, lambda: connection.post(path, body))[0]


class Workers:
    """Processes that put a server under load until `seconds` after all are ready.

    Args:
        open_session: opens the session of a worker by its number, in the worker's process.
        count: the number of workers.
        seconds: the duration.
        patient: whether a worker continues after a failed cycle.

    """

    def __init__(
        self, open_session: Callable[[int], Session], count: int, seconds: float, *, patient: bool = False
    ) -> None:
        # Forked: starting 64 interpreters would take long.
        context = multiprocessing.get_context("fork")
        self._ready = context.Barrier(count + 1)
        self._processes = []
        self._pipes = []
        for index in range(count):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(theirs, self._ready, open_session, index, seconds, patient), daemon=True
            )
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def wait_until_ready(self) -> None:
        """Wait until the load begins."""
        self._ready.wait(TIMEOUT_SECONDS)

    def calls(self) -> list[Call]:
        """Wait until all workers are done, and return all calls."""
        calls = [Call(*call) for pipe in self._pipes for call in pipe.recv()]
        for process in self._processes:
            process.join()
        return calls


def _work(
    pipe: Any, ready: Any, open_session: Callable[[int], Session], index: int, seconds: float, patient: bool
) -> None:
    session = open_session(index)
    random.seed(index)
    calls: list[tuple[str, float, float, int]] = []
    ready.wait(TIMEOUT_SECONDS)
    deadline = time.monotonic() + seconds + RUN_OUT_SECONDS
    while time.monotonic() < deadline:
        try:
            calls.extend((call.kind, call.ended, call.seconds, index) for call in session.cycle())
        except Exception:
            if not patient:
                raise
            time.sleep(PAUSE_SECONDS)
    pipe.send(calls)


def percentile(calls: list[Call], kind: str, share: float) -> float:
    """Return the latency in milliseconds that `share` (0 to 1) of the calls of that kind do not exceed; nan if none."""
    return quantile([call.seconds for call in calls if call.kind == kind], share)


def quantile(seconds: list[float], share: float) -> float:
    """Return the duration in milliseconds that `share` (0 to 1) of these do not exceed; nan if there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return math.nan
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
