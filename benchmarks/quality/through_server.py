"""A study through a real server, with workers in real time, compared with the algorithm called directly.

Both have the same running trials: the log-normal length of each trial is drawn from the study's seed and the trial's
number, and a mean trial lasts a given number of suggestions. Called directly, a suggestion takes no time; through the
server it takes its real time.
"""

from __future__ import annotations

import heapq
import json
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from dodona_server.api.vertex.spec import write_spec
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from processes import Server
from quality.peers import Dodona
from quality.problems import Problem
from quality.runs import MARKS, Trace
from targets import SERVES

HERE = "/v1/projects/benchmark/locations/local/studies"
SPREAD = 0.5
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Course:
    """The course of a study's trials.

    Args:
        seed: of the study and of its trials' lengths.
        budget: the number of finished trials.
        workers: the number of running trials.
        suggestions: the length of a mean trial, in suggestions.
    """

    seed: int
    budget: int
    workers: int
    suggestions: float

    def length(self, number: int) -> float:
        """Return the length of a trial, 1 on average."""
        rng = random.Random(f"length/{self.seed}/{number}")
        return rng.lognormvariate(-SPREAD * SPREAD / 2, SPREAD)


class Best:
    """The true value of the trial that measured best, at each mark of finished trials."""

    def __init__(self) -> None:
        self.trace: Trace = {}
        self._finished, self._measured, self._true = 0, float("inf"), float("nan")

    def finish(self, measured: float, true: float) -> None:
        """Add a finished trial."""
        self._finished += 1
        if measured < self._measured:
            self._measured, self._true = measured, true
        if self._finished in MARKS:
            self.trace[self._finished] = self._true


def directly(problem: Problem, algorithm: str, course: Course) -> tuple[Trace, float]:
    """Return the best values, and the mean seconds per suggestion, of the algorithm called in this process."""
    peer, best = Dodona(problem.space, course.seed, algorithm), Best()
    under_way: list[tuple[float, int, Any, float, float]] = []
    now, asked, spent = 0.0, 0, 0.0
    for _ in range(course.budget):
        while len(under_way) < course.workers and asked < course.budget:
            began = time.perf_counter()
            token, values = peer.ask()
            spent += time.perf_counter() - began
            asked += 1
            measured, true = _measured(problem, course, asked, values)
            heapq.heappush(under_way, (now + course.length(asked), asked, token, measured, true))
        now, _, token, measured, true = heapq.heappop(under_way)
        peer.tell(token, measured)
        best.finish(measured, true)
    return best.trace, spent / asked


def _measured(problem: Problem, course: Course, number: int, values: Any) -> tuple[float, float]:
    true = problem.true(values)
    return true + problem.noise(random.Random(f"{problem.name}/{course.seed}/{number}")), true


@contextmanager
def server(folder: Path, python: str) -> Iterator[int]:
    """Start a server with an empty SQLite database, and yield its port."""
    database = f"sqlite:///{folder / 'quality.db'}"
    command = [python, "-m", "dodona_server", "serve", "--port={port}", f"--database-url={database}"]
    started = Server(command, folder, None, SERVES)
    try:
        started.settle()
        yield started.port
    finally:
        started.stop()


@dataclass
class Served:
    """The result of a study through the server.

    Args:
        trace: the best values.
        sources: the numbers of suggestions that were fresh, ahead, stand-ins.
        missed: the number of acknowledged results that suggestions did not know, in total.
        waited: mean seconds from request to answer.
        busy: the share of the workers' time spent in trials.
    """

    trace: Trace
    sources: dict[str, int]
    missed: int
    waited: float
    busy: float


def through_server(problem: Problem, algorithm: str, course: Course, port: int, seconds: float) -> Served:
    """Run the study with `course.workers` clients and return its result; a mean trial lasts `seconds`."""
    study = f"{HERE}/s-{random.SystemRandom().getrandbits(48):x}"
    spec = StudySpec((Metric("value", Goal.MINIMIZE),), problem.space, algorithm)
    wire = json.loads(write_spec(spec, course.seed).to_json())
    wire["studyStoppingConfig"] = {"maxNumTrials": course.budget}
    _call(
        HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS),
        HERE,
        {"studyId": study.rpartition("/")[2], "studySpec": wire},
    )
    best, lock, sources = Best(), threading.Lock(), Counter[str]()
    waits: list[float] = []
    worked, missed = [0.0], [0]
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        while True:
            began = time.monotonic()
            body = {"clientId": f"w{worker}", "suggestionCount": 1}
            trials = _call(connection, f"{study}/trials:suggest", body)["response"].get("trials")
            if not trials:
                return
            (trial,) = trials
            number = int(trial["id"])
            values = {one["parameterId"]: one["value"] for one in trial["parameters"]}
            values = problem.space.check(values)
            length = seconds * course.length(number)
            with lock:
                waits.append(time.monotonic() - began)
                worked[0] += length
                about = trial.get("metadata", {})
                sources[about.get("suggestion/source", "unknown")] += 1
                missed[0] += int(about.get("suggestion/results_missed", 0))
            time.sleep(length)
            measured, true = _measured(problem, course, number, values)
            began = time.monotonic()
            final = {"finalMeasurement": {"metrics": [{"metricId": "value", "value": measured}]}}
            _call(connection, f"{study}/trials/{number}:complete", final)
            with lock:
                waits.append(time.monotonic() - began)
                best.finish(measured, true)

    def watched(worker: int) -> None:
        try:
            work(worker)
        except BaseException as error:  # noqa: BLE001 - the run fails with it
            failures.append(error)

    threads = [threading.Thread(target=watched, args=(worker,)) for worker in range(course.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    busy = worked[0] / (worked[0] + sum(waits))
    return Served(best.trace, dict(sources), missed[0], statistics.mean(waits), busy)


def _call(connection: HTTPConnection, path: str, body: Any) -> Any:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(text[:300])
    return json.loads(text)
