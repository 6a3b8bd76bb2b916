"""The main job, for real: a server and two Keras workers on the digits, while one worker and the server are killed."""

from __future__ import annotations

import collections
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dodona
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

DIGITS = Path(__file__).parents[2] / "examples" / "digits.py"
TRIALS = 6


def start_worker(server: ServerProcess, folder: Path, name: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(DIGITS)],
            cwd=folder,
            env=environment(
                DODONA_URL=server.url,
                DODONA_WORKER=name,
                DODONA_DEMO_TRIALS=str(TRIALS),
                TF_CPP_MIN_LOG_LEVEL="3",
                OMP_NUM_THREADS="1",
            ),
            stdout=log,
            stderr=log,
        )


def wait_for(study: dodona.Study, what, seconds: float = patience(120)) -> list[dodona.TrialRecord]:
    """The trials, once `what` holds of them."""
    deadline = time.monotonic() + seconds
    while not what(trials := study.trials()):
        assert time.monotonic() < deadline, f"waited too long; the trials are {trials}"
        time.sleep(0.1)
    return trials


def study_of(server: ServerProcess) -> dodona.Study:
    """The workers' study, once the first of them has made it."""
    client = dodona.Client(server.url)
    deadline = time.monotonic() + patience(120)
    while time.monotonic() < deadline:
        try:
            return client.get_study("digits")
        except dodona.NotFound:
            time.sleep(0.1)
    raise AssertionError("no worker made the study")


@pytest.mark.slow
def test_two_keras_workers_share_a_study_through_kills(server: ServerProcess, tmp_path: Path) -> None:
    workers = {name: start_worker(server, tmp_path, name) for name in ("one", "two")}
    study = study_of(server)

    # A worker dies in the middle of a trial and comes back under its name: the trial is its own again.
    def reported(trials: list[dodona.TrialRecord]) -> list[int]:
        return [one.number for one in trials if one.worker == "one" and one.state == "ACTIVE" and one.measurements]

    while True:
        lost = reported(wait_for(study, reported))[0]
        # The trial may end before the signal: then it is another one.
        workers["one"].send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        if study.trial(lost).state == "ACTIVE":
            break
        workers["one"].send_signal(signal.SIGCONT)
    workers["one"].kill()
    workers["one"].wait()
    assert study.trial(lost).state == "ACTIVE"
    workers["one"] = start_worker(server, tmp_path, "one")

    # The server dies while the workers train: they wait, and go on.
    wait_for(study, lambda trials: sum(trial.state == "SUCCEEDED" for trial in trials) >= 2)
    known = {trial.number: trial.metrics for trial in study.trials() if trial.state == "SUCCEEDED"}
    server.kill()
    time.sleep(1)
    server.start()

    assert [worker.wait(timeout=patience(180)) for worker in workers.values()] == [0, 0], (
        tmp_path / "one.log"
    ).read_text()
    trials = study.trials()
    study.refresh()
    assert study.state == "COMPLETED"
    assert [trial.number for trial in trials] == list(range(1, TRIALS + 1))
    assert collections.Counter(trial.state for trial in trials) == {"SUCCEEDED": TRIALS}
    assert {trial.worker for trial in trials} == {"one", "two"}
    assert study.trial(lost).worker == "one"
    for trial in trials:
        assert all(math.isfinite(value) for value in trial.metrics.values())
        assert [one.step for one in trial.measurements] == list(range(1, len(trial.measurements) + 1))
        assert len(trial.measurements) >= 1
    for number, metrics in known.items():
        assert trials[number - 1].metrics == metrics
    best = study.best_trial
    assert best is not None
    assert best.metrics["val_accuracy"] > 0.8
