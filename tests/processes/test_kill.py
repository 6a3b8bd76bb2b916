"""kill -9 of the server and of workers: nothing acknowledged is lost, nothing is counted twice, budgets hold."""

from __future__ import annotations

import collections
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dodona
from tests.processes.worker import MAX_TRIALS
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

WORKERS = 4
ROOT = Path(__file__).parents[2]


def start_worker(server: ServerProcess, folder: Path, index: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.processes.worker", str(folder / f"journal-{index}")],
        env=environment(DODONA_URL=server.url, DODONA_WORKER=f"worker-{index}"),
        cwd=ROOT,
    )


def finished(server: ServerProcess) -> int:
    with dodona.Client(server.url) as client:
        try:
            return sum(trial.state == "SUCCEEDED" for trial in client.get_study("kill").trials())
        except dodona.NotFound:
            return 0


def wait_for(server: ServerProcess, count: int) -> None:
    deadline = time.monotonic() + patience(60)
    while finished(server) < count:
        assert time.monotonic() < deadline, f"{count} trials were not finished in time"
        time.sleep(0.05)


def check(server: ServerProcess, folder: Path) -> None:
    """The database against the workers' journals."""
    acknowledged = [line.split() for path in folder.glob("journal-*") for line in path.read_text().splitlines()]
    journaled = {int(number): float(value) for number, value in acknowledged}
    assert len(journaled) == len(acknowledged), "a trial was acknowledged twice"
    with dodona.Client(server.url) as client:
        study = client.get_study("kill")
        kept = {trial.number: trial for trial in study.trials()}
    assert sorted(kept) == list(range(1, MAX_TRIALS + 1))
    assert study.state == "COMPLETED"
    assert collections.Counter(trial.state for trial in kept.values()) == {"SUCCEEDED": MAX_TRIALS}
    for number, value in journaled.items():
        assert kept[number].metrics["objective"] == value
    for trial in kept.values():
        assert [one.step for one in trial.measurements] == [1, 2, 3]
        assert trial.metrics["objective"] == trial.parameters["x"]


@pytest.fixture(params=["sqlite", "postgresql"])
def durable_server(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    server = ServerProcess(tmp_path, url).start()
    yield server
    server.stop()


def test_the_server_is_killed_while_workers_run(durable_server, tmp_path):
    workers = [start_worker(durable_server, tmp_path, index) for index in range(WORKERS)]
    for count in (5, 25):
        wait_for(durable_server, count)
        durable_server.kill()
        time.sleep(0.3)  # the workers meet a dead server
        durable_server.start()
    assert [worker.wait(timeout=patience(60)) for worker in workers] == [0] * WORKERS
    check(durable_server, tmp_path)


def test_workers_are_killed_and_come_back_under_their_names(durable_server, tmp_path):
    chance = random.Random(3)
    workers = {index: start_worker(durable_server, tmp_path, index) for index in range(WORKERS)}
    for count in (5, 15, 30):
        wait_for(durable_server, count)
        victim = chance.randrange(WORKERS)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = start_worker(durable_server, tmp_path, victim)
    assert [worker.wait(timeout=patience(60)) for worker in workers.values()] == [0] * WORKERS
    check(durable_server, tmp_path)
