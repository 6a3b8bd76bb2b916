"""The load: workers over raw keep-alive sockets, each one looping ask, 3 reports, complete.

The HTTP is made by hand, since a real client library costs more than the server's own share.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import re
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REPORTS = 3
CALLS = REPORTS + 2
KINDS = ("ask", "report", "complete")
TIMEOUT_SECONDS = 30
# The other workers still run at full load when the last call of the window ends.
RUN_OUT_SECONDS = 0.2

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


@dataclass(frozen=True, slots=True)
class Call:
    """A call's kind, when it ended (seconds, the clock that all processes share) and how long it took."""

    kind: str
    ended: float
    seconds: float


class Connection:
    """One keep-alive connection to a server on loopback."""

    def __init__(self, port: int) -> None:
        self._host = f"127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: str) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: the server refused.

        """
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall((head + body).encode())
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


def cycle(connection: Connection, study: str, client_id: str) -> Iterator[Call]:
    """One trial: ask, 3 reports, complete.

    Args:
        connection: to the server.
        study: the study's path, from /v1 on.
        client_id: who asks.

    """
    asked = time.monotonic()
    answer = connection.post(
        f"{study}/trials:suggest",
        f'{{"suggestionCount":1,"clientId":"{client_id}","requestId":"{uuid.uuid4().hex}"}}',
    )
    ended = time.monotonic()
    yield Call("ask", ended, ended - asked)
    number = _NUMBER.search(answer)
    if number is None:
        raise RuntimeError(f"no trial in {answer.decode()}")
    trial = f"{study}/trials/{number[1].decode()}"
    loss = random.random()
    for step in range(1, REPORTS + 1):
        loss *= 0.9
        yield _told(connection, "report", f"{trial}:addTrialMeasurement", "measurement", step, loss)
    yield _told(connection, "complete", f"{trial}:complete", "finalMeasurement", REPORTS, loss)


def _told(connection: Connection, kind: str, path: str, name: str, step: int, loss: float) -> Call:
    began = time.monotonic()
    connection.post(
        path,
        f'{{"{name}":{{"elapsedDuration":"{step}.500s","stepCount":"{step}",'
        f'"metrics":[{{"metricId":"loss","value":{loss!r}}}]}}}}',
    )
    ended = time.monotonic()
    return Call(kind, ended, ended - began)


class Workers:
    """Processes that put a server under load until `seconds` after all have connected.

    Args:
        port: the server's, on loopback.
        study: the study's path, from /v1 on.
        count: how many.
        seconds: for how long.

    """

    def __init__(self, port: int, study: str, count: int, seconds: float) -> None:
        # Forked: 64 interpreters would take their time to start.
        context = multiprocessing.get_context("fork")
        self._ready = context.Barrier(count + 1)
        self._processes = []
        self._pipes = []
        for index in range(count):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(theirs, self._ready, port, study, f"worker-{index}", seconds), daemon=True
            )
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def wait_until_connected(self) -> None:
        """Returns at the moment the load begins."""
        self._ready.wait(TIMEOUT_SECONDS)

    def calls(self) -> list[Call]:
        """All calls, once all workers are done."""
        calls = [Call(*call) for pipe in self._pipes for call in pipe.recv()]
        for process in self._processes:
            process.join()
        return calls


def _work(pipe: Any, ready: Any, port: int, study: str, client_id: str, seconds: float) -> None:
    connection = Connection(port)
    random.seed(client_id)
    calls: list[tuple[str, float, float]] = []
    ready.wait(TIMEOUT_SECONDS)
    deadline = time.monotonic() + seconds + RUN_OUT_SECONDS
    while time.monotonic() < deadline:
        calls.extend((call.kind, call.ended, call.seconds) for call in cycle(connection, study, client_id))
    pipe.send(calls)


def percentile(calls: list[Call], kind: str, share: float) -> float:
    """The latency in milliseconds that `share` (0 to 1) of the calls of that kind keep; nan without any."""
    ordered = sorted(call.seconds for call in calls if call.kind == kind)
    if not ordered:
        return math.nan
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
