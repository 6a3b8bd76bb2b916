"""Worker processes that share a study, die, and meet a server that dies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dodona import Client, NotFound, TrialRecord
from dodona.keras import CloudTuner
from tests.keras.models import X, Y, build
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

ROOT = Path(__file__).parents[2]


class Worker:
    """A worker process that is told to search; importing TensorFlow takes it seconds, so it serves several tests."""

    def __init__(self, name: str, folder: Path) -> None:
        self._log = folder / f"{name}-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.keras.worker"],
                cwd=ROOT,
                env=environment(TF_CPP_MIN_LOG_LEVEL="3", DODONA_WORKER=name),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def wait_until_ready(self) -> None:
        """TensorFlow is imported."""
        assert self._said() == "ready\n"

    def search(self, **job: Any) -> None:
        """Begins a search; `finish` waits for its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job, default=str) + "\n")
        self._process.stdin.flush()

    def finish(self) -> list[int]:
        """The numbers of the trials that the worker has run."""
        ran: list[int] = json.loads(self._said())
        return ran

    def _said(self) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said, self._log.read_text()
        return said

    def kill(self) -> None:
        """kill -9: nothing is finished, nothing is said."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Worker]]:
    folder = tmp_path_factory.mktemp("workers")
    workers = {name: Worker(name, folder) for name in ("w1", "w2")}
    for worker in workers.values():
        worker.wait_until_ready()
    yield workers
    for worker in workers.values():
        worker.kill()


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + patience(120)
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError("what was waited for did not come")


def test_two_workers_that_both_overwrite_share_one_study(
    workers: dict[str, Worker], server_url: str, client: Client, tmp_path: Path
) -> None:
    job = {"url": server_url, "study_id": "s", "directory": tmp_path, "max_trials": 6, "epochs": 1, "pause": 0.5}
    workers["w1"].search(**job, overwrite=True)

    def made() -> bool:
        try:
            return client.get_study("s").state == "ACTIVE"
        except NotFound:
            return False

    wait_for(made)
    workers["w2"].search(**job, overwrite=True)
    ran = {name: worker.finish() for name, worker in workers.items()}
    assert sorted(ran["w1"] + ran["w2"]) == [1, 2, 3, 4, 5, 6], "none twice, and no more than the budget"
    assert ran["w1"]
    assert ran["w2"]
    assert [record.worker for record in client.get_study("s").trials()] == [
        "w1" if number in ran["w1"] else "w2" for number in range(1, 7)
    ]


def test_a_worker_and_the_server_are_killed(workers: dict[str, Worker], server: ServerProcess, tmp_path: Path) -> None:
    job = {"url": server.url, "study_id": "s", "directory": tmp_path / "tuning", "max_trials": 6}
    client = Client(server.url)
    for worker in workers.values():
        worker.search(**job, epochs=3, pause=0.5)

    def in_the_middle() -> TrialRecord | None:
        """The trial that w1 is training."""
        try:
            trials = client.get_study("s").trials()
        except NotFound:
            return None
        return next((one for one in trials if one.worker == "w1" and one.state == "ACTIVE" and one.measurements), None)

    unlucky = wait_for(in_the_middle)
    workers["w1"].kill()
    workers["w1"] = Worker("w1", tmp_path)
    server.kill()
    time.sleep(0.5)
    server.start()
    workers["w1"].wait_until_ready()
    workers["w1"].search(**job, epochs=3, pause=0.5)
    ran = {name: worker.finish() for name, worker in workers.items()}
    assert ran["w1"][0] == unlucky.number, "it has its own trial back"
    records = client.get_study("s").trials()
    assert client.get_study("s").state == "COMPLETED"
    assert [(record.number, record.state) for record in records] == [(number, "SUCCEEDED") for number in range(1, 7)]
    assert records[unlucky.number - 1].parameters == unlucky.parameters
    for record in records:
        assert [measured.step for measured in record.measurements] == [1, 2, 3]
    finished = [record.number for record in records if record.worker == "w1"]
    assert set(ran["w1"]) <= set(finished), "what the first w1 had finished before stays its own"
    assert not set(ran["w2"]) & set(finished)

    # A process that has trained nothing, on a disk of its own.
    reader = CloudTuner(build, url=server.url, study_id="s", directory=tmp_path / "elsewhere")
    (model,) = reader.get_best_models()
    best = max(record.metrics["val_accuracy"] for record in records)
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(best)
    assert reader.oracle.get_best_trials()[0].score == best
    assert reader.remaining_trials == 0
    reader.search()
