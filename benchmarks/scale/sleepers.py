"""Real workers that sleep instead of training: their process, and the measurement of one study with many of them.

Each worker is a `dodona.Client` of its own, with its connection and its heartbeat; a process runs many as threads. Half
of them report every 5 seconds, the others only at the end, so that heartbeats renew their leases.

    python -m scale.sleepers URL STUDY --workers 250 --first 0 --seconds 60
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

import dodona
from load import Call, quantile, timed
from processes import Server, cpu_seconds, environment
from scale.calls import create_study
from scale.meters import Usage
from targets import TARGETS, Machine, Running

PROCESSES = 4
MEDIAN_SECONDS, SIGMA = 30.0, 0.5
REPORT_SECONDS = 5.0
RAMP_SECONDS = 20.0
SAMPLE_SECONDS = 1.0
JOIN_SECONDS = 120.0

Row = dict[str, Any]


class Sleeper:
    """A worker, which runs in a thread of its own.

    Args:
        url: the server's.
        study: its id.
        number: the worker's.
        calls: receives the calls.
        lost: receives the errors of lost trials.
    """

    def __init__(self, url: str, study: str, number: int, calls: list[Call], lost: list[str]) -> None:
        # Not for each a context of TLS, which would take most of the memory and of the start.
        transport = httpx.HTTPTransport(verify=False, limits=httpx.Limits(keepalive_expiry=60.0))
        self._study = dodona.Client(url, worker=f"sleeper-{number}", transport=transport).get_study(study)
        self._number = number
        self._rng = random.Random(number)
        self._calls, self._lost = calls, lost

    def work(self, began: float, until: float) -> None:
        """Run trials until that time, of the monotonic clock; the first one begins within the ramp."""
        time.sleep(max(0.0, began + self._rng.random() * RAMP_SECONDS - time.monotonic()))
        # As if it were in the middle of its first trial.
        share = self._rng.random()
        while time.monotonic() < until:
            call, trial = timed("ask", self._study.ask)
            self._calls.append(Call(call.kind, call.ended, call.seconds, self._number))
            length = share * MEDIAN_SECONDS * math.exp(self._rng.gauss(0, SIGMA))
            share = 1.0
            try:
                self._sleep(trial, min(length, until - time.monotonic()))
            except dodona.Aborted as error:
                self._lost.append(str(error))

    def _sleep(self, trial: dodona.Trial, length: float) -> None:
        ends, step = time.monotonic() + length, 0
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(REPORT_SECONDS, left) if self._number % 2 else left)
            step += 1
            call, _ = timed("report", lambda at=step: trial.report(self._rng.random(), at))
            self._calls.append(Call(call.kind, call.ended, call.seconds, self._number))
        call, _ = timed("complete", lambda: trial.complete(self._rng.random()))
        self._calls.append(Call(call.kind, call.ended, call.seconds, self._number))


def main() -> None:
    """Run the workers of a process, print "ready" when all are connected, begin at a line of input, print the calls."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("study")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    calls: list[Call] = []
    lost: list[str] = []
    numbers = range(options.first, options.first + options.workers)
    sleepers = [Sleeper(options.url, options.study, number, calls, lost) for number in numbers]
    print("ready", flush=True)
    began = float(sys.stdin.readline())
    threads = [threading.Thread(target=one.work, args=(began, began + options.seconds)) for one in sleepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"calls": [(one.kind, one.ended, one.seconds, one.worker) for one in calls], "lost": lost}))


def measure_sleepers(target: str, workers: int, seconds: float, machine: Machine, folder: Path) -> Row:
    """Return what one server and its database use for one study with that many sleeping workers.

    Args:
        target: one of Dodona's.
        workers: how many.
        seconds: the measured time, after all workers have begun.
        machine: to run on.
        folder: for files of the run.
    """
    running = Running(TARGETS[target], machine, folder / f"sleepers-{target}")
    assert running.server is not None
    crew: list[subprocess.Popen[str]] = []
    try:
        running.server.settle()
        idle = running.server.resident_megabytes()
        create_study(running.server.port, "sleepers")
        crew = _crew(running.server, workers, RAMP_SECONDS + seconds, folder)
        began = time.monotonic() + 1.0
        for process in crew:
            assert process.stdin is not None
            process.stdin.write(f"{began}\n")
            process.stdin.flush()
        time.sleep(began + RAMP_SECONDS - time.monotonic())
        row = _observed(running, crew, seconds)
        told = [json.loads(process.communicate(timeout=JOIN_SECONDS)[0]) for process in crew]
        began = row.pop("began")
        return row | _of_workers(told, began, row["seconds"]) | {"workers": workers, "idle_megabytes": idle}
    finally:
        for process in crew:
            process.kill()
            process.wait()
        running.stop()


def _crew(server: Server, workers: int, seconds: float, folder: Path) -> list[subprocess.Popen[str]]:
    """Return the processes of the workers, which wait for a line of input."""
    crew = []
    for index in range(PROCESSES):
        first, end = (workers * bound // PROCESSES for bound in (index, index + 1))
        command = [sys.executable, "-m", "scale.sleepers", f"http://127.0.0.1:{server.port}", "sleepers"]
        command += [f"--workers={end - first}", f"--first={first}", f"--seconds={seconds}"]
        with (folder / f"sleepers-{index}.log").open("w") as log:
            crew.append(
                subprocess.Popen(
                    command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
                )
            )
    for index, process in enumerate(crew):
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError((folder / f"sleepers-{index}.log").read_text()[-4000:])
    return crew


def _observed(running: Running, crew: list[subprocess.Popen[str]], seconds: float) -> Row:
    """Return the use of processors and memory in the next seconds."""
    assert running.server is not None
    usage = Usage([running])
    clients = [psutil.Process(process.pid) for process in crew]
    before = sum(map(cpu_seconds, clients))
    began = time.monotonic()
    most = 0.0
    while time.monotonic() < began + seconds:
        most = max(most, running.server.resident_megabytes())
        time.sleep(SAMPLE_SECONDS)
    took = time.monotonic() - began
    used = usage.read()
    return {
        "target": running.target.name,
        "began": began,
        "seconds": took,
        "server": used["server"] / took,
        "database": used["database"] / took,
        "clients": (sum(map(cpu_seconds, clients)) - before) / took,
        "megabytes": most,
        "transactions": used["transactions"] / took,
        "batch": used["jobs"] / used["transactions"],
        "expired": used["expired"],
        "heartbeats": used["heartbeats"] / took,
    }


def _of_workers(told: list[Row], began: float, seconds: float) -> Row:
    calls = [Call(*call) for part in told for call in part["calls"] if began < call[1] <= began + seconds]
    found: Row = {"lost": sum(len(part["lost"]) for part in told)}
    for kind in ("ask", "report", "complete"):
        took = [call.seconds for call in calls if call.kind == kind]
        found[kind] = {"a_second": len(took) / seconds, "p50": quantile(took, 0.5), "p99": quantile(took, 0.99)}
    return found


if __name__ == "__main__":
    main()
