"""The README's scripts run as they stand, with what its lines install."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dodona import Client
from tests.support.patience import patience
from tests.support.processes import environment

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
TRAIN, PARABOLA = BLOCKS


def run(script: str, folder: Path, url: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(DODONA_URL=url, TF_CPP_MIN_LOG_LEVEL="3"),
        capture_output=True,
        text=True,
        timeout=patience(250),
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_asking_and_telling_says_in_few_words_what_came_out(tmp_path: Path, server_url: str) -> None:
    first, again = (run(PARABOLA, tmp_path, server_url) for _ in range(2))
    assert first == again
    completed, best = first.splitlines()
    assert completed.startswith("Complete: the study 'parabola' has no trial left to hand out: ")
    number = re.match(r"trial (\d+) SUCCEEDED with objective=\S+: x=\S+, kind='b'$", best)
    assert number is not None
    # The middle of the range, where the search begins, is not the optimum.
    assert int(number[1]) > 1
    assert len(best) < 100


@pytest.mark.slow
def test_training(tmp_path: Path, server_url: str) -> None:
    short = TRAIN.replace("epochs=5", "epochs=2").replace("max_trials=20", "max_trials=4")
    assert "Trial" in run(short, tmp_path, server_url)
    study = Client(server_url).get_study("readme")
    assert study.state == "COMPLETED"
    assert {trial.state for trial in study.trials()} == {"SUCCEEDED"}


def test_a_worker_needs_nothing_that_its_extra_does_not_install() -> None:
    installed = {"keras", "numpy", "dodona"}  # keras brings numpy along
    for script in BLOCKS:
        assert set(re.findall(r"^(?:import|from) (\w+)", script, re.MULTILINE)) <= installed
