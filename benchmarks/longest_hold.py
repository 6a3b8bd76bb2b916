"""Measure how long large requests and answers block the event loop.

The server runs in this process, on the measured loop. A timer should fire every millisecond; its delay is the time that
something else blocked the loop. Meanwhile another process requests /healthz, as a load balancer does.

    python -m benchmarks.longest_hold [--parameters 1000] [--trials 300] [--database sqlite:///...]
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.client
import json
import multiprocessing
import multiprocessing.connection
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from dodona_server.app import create_app
from dodona_server.serving.connections import Connections, Limits
from dodona_server.serving.http_protocol import Protocol
from dodona_server.serving.serving import tune_interpreter
from dodona_server.storage.schema.opening import open_store

HERE = "/v1/projects/default/locations/local/studies"
ML = "/ml/v1/projects/default/locations/local/studies"
BEAT_SECONDS = 0.001
LOOK_SECONDS = 0.01
BODY_BYTES = 8 * 2**20 - 1024
TOGETHER = 8


class Holds:
    """Measures the delay of the loop."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Reset the measurement."""
        self.longest = 0.0
        # The same in the time that this process was at work, which other processes of the machine do not add to.
        self.longest_at_work = 0.0

    async def measure(self) -> None:
        """Measure until it is cancelled."""
        while True:
            due, before = time.perf_counter() + BEAT_SECONDS, time.process_time()
            await asyncio.sleep(BEAT_SECONDS)
            late = time.perf_counter() - due
            self.longest = max(self.longest, late)
            self.longest_at_work = max(self.longest_at_work, min(late, time.process_time() - before))


def look(port: int, ask: multiprocessing.connection.Connection) -> None:
    """Request the server's health repeatedly, and send the longest duration when asked."""
    longest = 0.0
    while True:
        began = time.perf_counter()
        _call(port, "GET", "/healthz")
        longest = max(longest, time.perf_counter() - began)
        time.sleep(LOOK_SECONDS)
        if ask.poll():
            ask.recv()
            ask.send(longest)
            longest = 0.0


@contextmanager
def served(database: str) -> Iterator[tuple[int, Holds]]:
    """Start a server in a thread of this process, and yield its port and the delays of its loop."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        holds = Holds()
        app = create_app(open_store(database))
        protocol: Any = functools.partial(Protocol, connections=Connections(Limits.of_process()))
        config = uvicorn.Config(app, http=protocol, loop="uvloop", ws="none", access_log=False, log_config=None)
        server = uvicorn.Server(config)

        async def serve() -> None:
            measuring = asyncio.create_task(holds.measure())
            await server.serve(sockets=[listener])
            measuring.cancel()

        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            thread = threading.Thread(target=runner.run, args=(serve(),), daemon=True)
            thread.start()
            while not server.started:
                time.sleep(0.01)
            tune_interpreter()
            try:
                yield listener.getsockname()[1], holds
            finally:
                server.should_exit = True
                thread.join()


def _call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, int]:
    """Return the status and the size of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    size = 0
    while piece := answer.read(2**20):
        size += len(piece)
    connection.close()
    return answer.status, size


def cases(parameters: int, trials: int) -> dict[str, tuple[str, str, bytes | None]]:
    """Return the requests: a name, then method, path and body."""
    study = f"{HERE}/large"
    specs = [{"parameterId": f"p{n}", "doubleValueSpec": {"maxValue": 1}} for n in range(parameters)]
    names = [
        {"parameterId": f"c{n}", "categoricalValueSpec": {"values": [f"name {n} {m}" for m in range(150)]}}
        for n in range(parameters)
    ]
    parent = {"parameterId": "p", "conditionalParameterSpecs": [{"parameterSpec": specs[0]}] * 30}
    filler = BODY_BYTES // 3 * b"[],"
    metadata = {f"k{n}": "\u00e9\n" * 13_000 for n in range(150)}
    worker = {"clientId": "w", "suggestionCount": trials}
    listed = f"{study}/trials?pageSize=1000"
    return {
        "create a study": ("POST", HERE, _body({"studyId": "large", "studySpec": _spec(specs)})),
        "create one of many names": ("POST", HERE, _body({"studyId": "names", "studySpec": _spec(names)})),
        "read the study": ("GET", study, None),
        "read it at AI Platform's": ("GET", f"{ML}/large", None),
        "suggest many trials": ("POST", f"{study}/trials:suggest", _body(worker)),
        "page of trials": ("GET", listed, None),
        "all trials": ("GET", f"{study}/trials", None),
        "all trials at AI Platform's": ("GET", f"{ML}/large/trials", None),
        "metadata of 4 MiB": ("POST", f"{study}/trials/1:updateMetadata", _body({"metadata": metadata})),
        "trial with it": ("GET", f"{study}/trials/1", None),
        "heartbeat of it": ("POST", f"{study}/trials/1:heartbeat", b"{}"),
        "operations": ("GET", "/v1/projects/default/locations/local/operations?pageSize=1000", None),
        "export as CSV": ("GET", f"{study}:export?format=csv", None),
        "export as JSON lines": ("GET", f"{study}:export?format=jsonl", None),
        "export as Parquet": ("GET", f"{study}:export?format=parquet", None),
        "best trials": ("POST", f"{study}/trials:listOptimalTrials", b"{}"),
        "page of the study": ("GET", "/studies/default/local/large", None),
        "page of all studies": ("GET", "/", None),
        "API document": ("GET", "/openapi.json", None),
        "discovery document": ("GET", "/ml/discovery.json", None),
        "8 MiB of [] in an unknown field": ("POST", f"{study}/trials/2:complete", b'{"x":[' + filler + b"[]]}"),
        "8 MiB of nested lists": ("POST", f"{study}/trials/2:complete", b"[" * BODY_BYTES),
        "8 MiB of short texts": ("POST", f"{study}/trials/2:complete", b'{"x":[' + BODY_BYTES // 4 * b'"a",' + b"1]}"),
        "8 MiB of commas in a text": ("POST", f"{study}/trials/2:complete", b'{"x":"' + BODY_BYTES * b"," + b'"}'),
        "8 MiB of escapes in a text": ("POST", f"{study}:pause", b'{"x":"' + BODY_BYTES // 2 * b"\\\\" + b'"}'),
        "many wrong parameters": ("POST", f"{study}/trials", _body({"parameters": [{"value": 1}] * 49_000})),
        "many parameters": (
            "POST",
            f"{study}/trials",
            _body({"parameters": [{"parameterId": "p1", "value": 1}] * 49_000}),
        ),
        "many metrics": (
            "POST",
            f"{study}/trials/2:addTrialMeasurement",
            _body({"measurement": {"metrics": [{"metricId": "m", "value": 1}] * 49_000}}),
        ),
        "many measurements": ("POST", f"{study}/trials", _body({"measurements": [{"stepCount": 1}] * 49_000})),
        "many at AI Platform's": ("POST", f"{ML}/large/trials", _body({"measurements": [{"stepCount": 1}] * 49_000})),
        "many contexts": ("POST", f"{study}/trials:suggest", _body({"contexts": [{"description": ""}] * 49_000})),
        "many parameters of a study": ("POST", HERE, _body({"studySpec": _spec(specs[:1] * 24_000)})),
        "many children of parameters": ("POST", HERE, _body({"studySpec": _spec([parent] * 500)})),
        "many prior studies": ("POST", HERE, _body({"studySpec": {"priorStudies": ["x"] * 190_000}})),
        "many reports": ("POST", f"{study}/trials:report", _body({"reports": [{"trial": "x"}] * 49_000})),
    }


def _spec(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"algorithm": "RANDOM_SEARCH", "metrics": [{"metricId": "m"}], "parameters": parameters}


def _body(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def main() -> None:
    """Print a table of the requests, the answers, and the wait of others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        database = given.database or f"sqlite:///{Path(folder) / 'd.db'}"
        with served(database) as (port, holds):
            here, there = multiprocessing.Pipe()
            context = multiprocessing.get_context("spawn")
            looking = context.Process(target=look, args=(port, there), daemon=True)
            looking.start()
            # The calls come from another process too: what they do with the answers is no work of the server's.
            calling = stack.enter_context(context.Pool(1))
            calling.apply(at_once, (port, 1, "GET", "/healthz", None))
            print("| call | status | MiB | s | loop held, ms | of work, ms | /healthz at most, ms |")
            print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
            row("nothing, for a second", here, holds, lambda: calling.apply(nothing))
            asked = cases(given.parameters, given.trials)
            for name, call in asked.items():
                row(name, here, holds, lambda call=call: calling.apply(at_once, (port, 1, *call)))  # type: ignore[misc]
            for name in ("page of trials", "export as CSV"):
                several = (port, TOGETHER, *asked[name])
                row(f"{TOGETHER} at once: {name}", here, holds, lambda several=several: calling.apply(at_once, several))  # type: ignore[misc]
            looking.terminate()


def row(
    name: str,
    looking: multiprocessing.connection.Connection,
    holds: Holds,
    call: Callable[[], list[tuple[int, int]]],
) -> None:
    """Print the cost of a call, to the server and to others."""
    looking.send(None)
    looking.recv()
    holds.begin()
    began = time.perf_counter()
    answers = call()
    took = time.perf_counter() - began
    held, at_work = holds.longest, holds.longest_at_work
    looking.send(None)
    waited = looking.recv()
    size = sum(size for _, size in answers) / 2**20
    status = answers[0][0]
    milliseconds = " | ".join(f"{seconds * 1000:.0f}" for seconds in (held, at_work, waited))
    print(f"| {name} | {status} | {size:.1f} | {took:.2f} | {milliseconds} |", flush=True)


def at_once(port: int, count: int, method: str, path: str, body: bytes | None) -> list[tuple[int, int]]:
    """Make the same call several times at once, and return the answers."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: _call(port, method, path, body), range(count)))


def nothing() -> list[tuple[int, int]]:
    """Wait a second without a call, to measure the delays of the machine itself."""
    time.sleep(1.0)
    return [(0, 0)]


if __name__ == "__main__":
    main()
