"""`dodona run` as people meet it: real workers of a real study, killed, interrupted and broken."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dodona
from dodona._trials.status import Status
from dodona.launch.show import summary
from tests.support.patience import patience
from tests.support.processes import environment

SCRIPT = Path(__file__).with_name("script.py")
PATIENCE_SECONDS = patience(60)


class Run:
    """`dodona run` in a folder of its own.

    Args:
        folder: where.
        url: the server's address.
        arguments: of the command line.
        variables: of the environment.
    """

    def __init__(self, folder: Path, url: str, *arguments: str, **variables: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dodona", "run", *arguments],
            cwd=folder,
            env=environment(DODONA_URL=url, DODONA_WORKER="w", **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        """The exit code and what was said on stdout and stderr, once it has ended."""
        said, complained = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, said, complained

    def log(self, worker: int) -> str:
        return (self.folder / "dodona-logs" / f"w-{worker}.log").read_text()


@pytest.fixture
def run(tmp_path: Path, server_url: str) -> Callable[..., Run]:
    return lambda *arguments, **variables: Run(tmp_path, server_url, *map(str, arguments), **variables)


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """A file that keeps all trials of `script.py` at their first step until it is deleted."""
    path = tmp_path / "hold"
    path.touch()
    return path


def trials_once(url: str, condition: Callable[[list[dodona.TrialRecord]], bool]) -> list[dodona.TrialRecord]:
    """The trials of the study, once the condition holds of them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with dodona.Client(url) as client:
        while time.monotonic() < deadline:
            try:
                trials = client.get_study("parabola").trials()
            except dodona.NotFound:
                trials = []
            if condition(trials):
                return trials
            time.sleep(0.05)
    raise AssertionError("what was waited for did not come")


def both_are_busy(trials: list[dodona.TrialRecord]) -> bool:
    return len([one for one in trials if one.state == "ACTIVE" and one.measurements]) == 2


def test_a_killed_worker_is_started_again_and_finishes_its_trial(
    run: Callable[..., Run], hold: Path, server_url: str
) -> None:
    running = run("--workers", 2, SCRIPT, "", 0.1)
    victim = next(one for one in trials_once(server_url, both_are_busy) if one.worker == "w-1")
    pid = re.findall(rf"trial {victim.number} in process (\d+)", running.log(1))[-1]
    os.kill(int(pid), signal.SIGKILL)
    hold.unlink()
    code, said, complained = running.end()
    assert (code, complained) == (0, "")
    assert re.search(r"w-1: killed by SIGKILL, again in [01] s\n", said)
    assert said.count(f"study parabola: {server_url}/studies/default/local/parabola\n") == 1
    with dodona.Client(server_url) as client:
        trials = client.get_study("parabola").trials()
    assert Counter(one.state for one in trials) == {"SUCCEEDED": 6}
    assert {one.worker for one in trials} == {"w-1", "w-2"}
    assert trials[victim.number - 1].worker == "w-1"
    pids = re.findall(rf"trial {victim.number} in process (\d+)", running.log(1))
    assert len(set(pids)) == 2, "the new process began the trial of the old one"
    best = min(trials, key=lambda one: one.metrics["objective"])
    summed_up = f"6 trials finished here of at most 6; best objective {best.metrics['objective']:.5g}"
    assert said.splitlines()[-1] == f"study parabola: {summed_up} in trial {best.number}"


@pytest.mark.usefixtures("hold")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_hands_all_trials_back(run: Callable[..., Run], server_url: str, number: signal.Signals) -> None:
    running = run("--workers", 2, SCRIPT, "", 0.1)
    trials_once(server_url, both_are_busy)
    running.process.send_signal(number)
    code, said, complained = running.end()
    assert (code, complained) == (128 + number, "")
    assert "every worker releases its trial" in said
    with dodona.Client(server_url) as client:
        states = Counter(one.state for one in client.get_study("parabola").trials())
    assert states["REQUESTED"] == 2
    assert states["ACTIVE"] == 0


def test_nohup_keeps_the_workers(run: Callable[..., Run], hold: Path, server_url: str) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = run("--workers", 2, SCRIPT, "", 0.1)
    finally:
        signal.signal(signal.SIGHUP, before)
    trials_once(server_url, both_are_busy)
    running.process.send_signal(signal.SIGHUP)
    hold.unlink()
    code, _, complained = running.end()
    assert (code, complained) == (0, "")


@pytest.mark.usefixtures("hold")
def test_a_terminal_that_is_closed_hands_all_trials_back(tmp_path: Path, server_url: str) -> None:
    variables = environment(DODONA_URL=server_url, DODONA_WORKER="w", TERM="xterm")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        command = [sys.executable, "-m", "dodona", "run", "--workers", "2", str(SCRIPT), "", "0.1"]
        os.execve(sys.executable, command, variables)
    trials_once(server_url, both_are_busy)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) != 0
    trials = trials_once(server_url, lambda trials: all(one.state != "ACTIVE" for one in trials))
    assert len([one for one in trials if one.state == "REQUESTED"]) == 2


def test_a_worker_that_does_not_leave_is_killed_after_its_grace(run: Callable[..., Run], tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn.py"
    stubborn.write_text(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready')\ntime.sleep(600)\n"
    )
    running = run("--grace", 0.2, stubborn)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (tmp_path / "dodona-logs" / "w-1.log").exists() or running.log(1) != "ready\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.process.send_signal(signal.SIGINT)
    code, said, _ = running.end()
    assert code == 130
    assert "w-1 did not exit in time and is killed\n" in said


def test_a_broken_script_ends_the_run_with_its_last_lines(run: Callable[..., Run], tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys\nprint('line 1')\nsys.exit('there is no such file: data.csv')\n")
    code, said, complained = run("--workers", 2, broken).end()
    assert code == 1
    assert re.search("again in [12] s", said)
    lines = complained.splitlines()
    assert re.fullmatch(r"dodona: w-1, w-2 died repeatedly; the end of dodona-logs/w-\d.log:", lines[0])
    assert lines[1:] == ["line 1", "there is no such file: data.csv"] * 3


def test_workers_that_go_by_one_name_are_stopped(run: Callable[..., Run]) -> None:
    code, _, complained = run("--workers", 2, SCRIPT, "same", 0.2).end()
    assert code == 2
    assert complained == (
        "dodona: w-1 and w-2 both call themselves 'same': leave tuner_id= and worker= out of the script\n"
    )


def count(trials: list[dodona.TrialRecord], *states: str) -> int:
    return sum(one.state in states for one in trials)


def test_the_wanted_workers_are_started_and_stopped_and_give_their_trials_back(
    run: Callable[..., Run], hold: Path, server_url: str
) -> None:
    running = run("--workers", 3, SCRIPT, "", 0.1)
    trials_once(server_url, lambda trials: count(trials, "ACTIVE") == 3)
    with dodona.Client(server_url) as client:
        study = client.get_study("parabola")
        study.set_wanted_workers(0)
        trials_once(server_url, lambda trials: count(trials, "REQUESTED") == 3)
        assert running.process.poll() is None, "it waits until workers are wanted again"
        study.set_wanted_workers(2)
        trials_once(server_url, lambda trials: count(trials, "ACTIVE") == 2)
        hold.unlink()
        code, said, complained = running.end()
        trials = study.trials()
    assert (code, complained) == (0, "")
    assert "0 workers, 2 wanted: starting 2\n" in said
    assert Counter(one.state for one in trials) == {"SUCCEEDED": 6}
    assert {one.worker for one in trials} <= {"w-1", "w-2", "w-3"}


def test_the_number_follows_what_is_left_to_run(run: Callable[..., Run], server_url: str) -> None:
    running = run("--workers", "0:4", SCRIPT, "", 1.5)
    trials_once(server_url, lambda trials: count(trials, "ACTIVE") == 4)
    # Of six trials, fewer than four are left when three have ended: a worker has nothing more to do.
    code, said, complained = running.end()
    assert (code, complained) == (0, "")
    assert "1 worker, 4 wanted: starting 3\n" in said
    assert re.search(r"^4 workers, [0-3] wanted: stopping w-\d", said, re.MULTILINE)
    with dodona.Client(server_url) as client:
        trials = client.get_study("parabola").trials()
    assert Counter(one.state for one in trials) == {"SUCCEEDED": 6}
    assert {one.attempt for one in trials} == {1}, "no worker with a trial was stopped"


@pytest.mark.parametrize("workers", ["0", "3:2", "many", "1:0", ":3"])
def test_a_wrong_number_of_workers_is_refused(run: Callable[..., Run], workers: str) -> None:
    code, _, complained = run("--workers", workers, SCRIPT).end()
    assert code == 2
    assert complained == f"dodona: --workers {workers}: write a number from 1, or MIN:MAX such as 0:8\n"


TUNES = """
import datetime, os, sys
sys.modules |= {"tensorflow": None, "sklearn": None}  # importing them takes seconds
import dodona.keras
from dodona.keras._study import overwrite

overwrite.QUIET = datetime.timedelta(0)

class Tuner(dodona.keras.Tuner):
    def run_trial(self, trial):
        print("runs", trial.trial_id)
        return trial.hyperparameters.Float("x", 0.0, 1.0)

for study in ("parabola", "hyperbola"):
    Tuner(study_id=study, max_trials=2, overwrite=True).search()
if not os.path.exists("died"):
    open("died", "w").close()
    sys.exit("the plot failed")
"""


@pytest.mark.slow
def test_a_worker_that_dies_after_its_search_starts_no_study_over(run: Callable[..., Run], tmp_path: Path) -> None:
    script = tmp_path / "tunes.py"
    script.write_text(TUNES)
    running = run(script, KERAS_BACKEND="jax")
    code, _, complained = running.end()
    assert (code, complained) == (0, "")
    assert "the plot failed" in running.log(1)
    assert re.findall(r"^runs (\d)", running.log(1), re.MULTILINE) == ["1", "2"] * 2


def test_a_terminal_shows_one_live_table(tmp_path: Path, hold: Path, server_url: str) -> None:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dodona", "run", "--workers", "2", str(SCRIPT), "", "0.05"],
        cwd=tmp_path,
        env=environment(DODONA_URL=server_url, DODONA_WORKER="w", COLUMNS="100", LINES="40", TERM="xterm"),
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    threading.Thread(target=lambda: trials_once(server_url, both_are_busy) and hold.unlink()).start()
    said = b""
    # At the end of the last process that has it open, reading fails.
    while block := _read(terminal):
        said += block
    os.close(terminal)
    assert process.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    assert plain.count(f"study parabola: {server_url}/studies/default/local/parabola") == 1
    last = plain[plain.rindex("worker") :]
    assert re.match(r"worker +state +trial +step +value +best so far +finished +restarts", last)
    assert re.search(r"w-1 +ended +\d +3 ", last)
    assert re.search(r"w-2 +ended +\d +3 ", last)
    assert "study parabola: 6 trials finished here of at most 6; best objective " in last


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


class TestGpus:
    """With an nvidia-smi in the path that lists four."""

    @pytest.fixture
    def visible(self, run: Callable[..., Run], tmp_path: Path) -> Callable[..., Any]:
        """What each worker may see; or what was complained of."""
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.parent.mkdir()
        asked = "--query-gpu=index --format=csv,noheader"
        tool.write_text(f'#!/bin/sh\n[ "$*" = "{asked}" ] && printf "0\\n1\\n2\\n3\\n"\n')
        tool.chmod(0o755)
        script = tmp_path / "look.py"
        names = (
            "DODONA_GPUS",
            "DODONA_GPU_PART",
            "CUDA_VISIBLE_DEVICES",
            "TF_FORCE_GPU_ALLOW_GROWTH",
            "XLA_PYTHON_CLIENT_MEM_FRACTION",
        )
        script.write_text(f"import os\nprint(*[os.environ[name] for name in {names} if name in os.environ])\n")
        path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"

        def look(workers: int, each: float, **variables: str) -> Any:
            running = run("--workers", workers, "--gpus-per-worker", each, script, PATH=path, **variables)
            code, _, complained = running.end()
            return complained if code else [running.log(index + 1).strip() for index in range(workers)]

        return look

    def test_each_worker_has_its_own(self, visible: Callable[..., Any]) -> None:
        assert visible(2, 2) == ["0,1", "2,3"]

    def test_those_that_the_environment_leaves(self, visible: Callable[..., Any]) -> None:
        assert visible(2, 1, CUDA_VISIBLE_DEVICES="3,1") == ["3", "1"]

    def test_a_part_of_one(self, visible: Callable[..., Any]) -> None:
        assert visible(3, 0.5) == ["0.5 0.450 0 true 0.450", "0.5 0.450 0 true 0.450", "0.5 0.450 1 true 0.450"]

    def test_a_part_leaves_what_the_user_has_set(self, visible: Callable[..., Any]) -> None:
        assert (
            visible(2, 0.333, XLA_PYTHON_CLIENT_MEM_FRACTION=".2", CUDA_VISIBLE_DEVICES="7")
            == ["0.333 0.300 7 true .2"] * 2
        )

    def test_more_than_one_is_whole(self, visible: Callable[..., Any]) -> None:
        assert visible(1, 1.5) == (
            "dodona: --gpus-per-worker 1.5: write a whole number, or less than 1 for workers that share a GPU\n"
        )

    def test_too_few_for_parts(self, visible: Callable[..., Any]) -> None:
        assert visible(9, 0.5) == (
            "dodona: --gpus-per-worker 0.5: 9 workers with 0.5 GPUs each need 5, but nvidia-smi lists 4: 0, 1, 2, 3\n"
        )

    def test_none(self, visible: Callable[..., Any]) -> None:
        assert visible(1, 0) == [""]

    def test_too_few(self, visible: Callable[..., Any]) -> None:
        assert visible(3, 2) == (
            "dodona: --gpus-per-worker 2: 3 workers with 2 GPUs each need 6, but nvidia-smi lists 4: 0, 1, 2, 3\n"
        )


def test_the_command_lists_what_there_is() -> None:
    said = subprocess.run([sys.executable, "-m", "dodona", "--help"], capture_output=True, text=True, check=True).stdout
    for name, does in {
        "serve": "Run the server until it gets SIGTERM or Ctrl-C.",
        "db": "Manage the database.",
        "run": "Run several workers of a script on this machine",
    }.items():
        assert re.search(rf"\b{name} +{does}", said), said


def test_no_name_of_a_study_moves_the_cursor() -> None:
    status = Status("s\x1b[2J\u202e", "w", "loss\x07", maximize=False, best=1.0, best_trial=1)
    assert summary([status]) == r"study s\x1b[2J\u202e: 0 trials finished here; best loss\x07 1 in trial 1"
