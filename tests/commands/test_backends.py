"""`dodona run` on engines that start processes: Slurm behind a stand-in, and what Kubernetes would get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

import dodona
from tests.commands.test_run import PATIENCE_SECONDS, SCRIPT, both_are_busy, trials_once
from tests.support.processes import environment

pytestmark = pytest.mark.processes


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for stand-ins, which is first in the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def put(tools: Path, name: str, text: str) -> None:
    (tools / name).write_text(text)
    (tools / name).chmod(0o755)


def run(folder: Path, *arguments: str, tools: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.environ["PATH"] if tools is None else f"{tools}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "dodona", "run", *arguments],
        cwd=folder,
        env=environment(PATH=path, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.05)
    return path.read_text()


def slurm(tools: Path) -> None:
    stand_in = Path(__file__).with_name("slurm.py")
    for name in ("sbatch", "squeue", "scancel"):
        put(tools, name, f'#!/bin/sh\nexec {sys.executable} {stand_in} {name} "$@"\n')


def start(folder: Path, tools: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dodona", "run", *arguments]
    variables = environment(PATH=path, DODONA_URL=url)
    return subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True)


class TestSlurm:
    def test_the_number_of_workers_follows_the_study(self, tmp_path: Path, tools: Path, server_url: str) -> None:
        slurm(tools)
        options = ("--backend", "slurm", "--workers", "1:2", "--study", "parabola", str(SCRIPT), "", "2")
        running = start(tmp_path, tools, server_url, *options)
        # It begins with one, since there is no study, and a second array makes two.
        trials_once(server_url, both_are_busy)
        with dodona.Client(server_url) as client:
            study = client.get_study("parabola")
            study.set_wanted_workers(1)
            assert wait_for(tmp_path / "ended_43") == "143"
            study.set_wanted_workers(None)
            said, _ = running.communicate(timeout=PATIENCE_SECONDS)
            trials = study.trials()
        assert running.returncode == 0
        assert said.splitlines()[:3] == [
            "job 42: 1 worker; their output: dodona-logs/42_*.log; to end them: scancel 42",
            "1 worker, 2 wanted: starting 1",
            "2 workers, 1 wanted: stopping slurm-43-1-1",
        ]
        assert {trial.state for trial in trials} == {"SUCCEEDED"}
        assert len(trials) == 6

    def test_a_preempted_worker_hands_its_trial_back_and_comes_again(
        self, tmp_path: Path, tools: Path, server_url: str
    ) -> None:
        slurm(tools)
        hold = tmp_path / "hold"
        hold.touch()
        arguments = ("--backend", "slurm", "--workers", "2", "--logs", "out", str(SCRIPT), "", "0.2")
        done = run(tmp_path, *arguments, tools=tools, DODONA_URL=server_url, PREEMPTS="1")
        assert done.stderr == ""
        assert done.stdout == "job 42: 2 workers; their output: out/42_*.log; to end them: scancel 42\n"
        trials_once(server_url, both_are_busy)
        (tmp_path / "preempt").touch()
        assert wait_for(tmp_path / "preempted") == "143"
        trials_once(server_url, both_are_busy)
        hold.unlink()
        assert wait_for(tmp_path / "ended_42") == "0 0"
        with dodona.Client(server_url) as client:
            trials = client.get_study("parabola").trials()
        assert {trial.state for trial in trials} == {"SUCCEEDED"}
        assert {trial.worker for trial in trials} == {"slurm-42-1-1", "slurm-42-2-1"}
        assert "slurm-42-1-1" in (tmp_path / "out" / "42_1.log").read_text()

    def test_the_script_has_what_was_asked_for(self, tmp_path: Path) -> None:
        more = ("--gpus-per-worker", "2", "--cpus-per-worker", "4", "--grace", "60", "--sbatch=--partition=long")
        done = run(tmp_path, "--backend", "slurm", "--workers", "3", *more, "--dry-run", str(SCRIPT), "--rate", "a b")
        assert done.stdout.splitlines() == [
            "#!/bin/bash",
            "#SBATCH --job-name=dodona-script",
            "#SBATCH --array=1-3",
            "#SBATCH --output=dodona-logs/%A_%a.log",
            "#SBATCH --requeue",
            "#SBATCH --signal=B:TERM@90",
            "#SBATCH --open-mode=append",
            "#SBATCH --cpus-per-task=4",
            "#SBATCH --gres=gpu:2",
            "#SBATCH --partition=long",
            'export DODONA_WORKER="slurm-${SLURM_ARRAY_JOB_ID}-${SLURM_ARRAY_TASK_ID}"',
            f"exec {sys.executable} -m dodona run --grace 60 --logs - {SCRIPT} --rate 'a b'",
        ]
        assert os.listdir(tmp_path) == []

    def test_what_cannot_be_submitted_is_told(self, tmp_path: Path, tools: Path) -> None:
        put(tools, "sbatch", "#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
        refused = run(tmp_path, "--backend", "slurm", str(SCRIPT), tools=tools)
        assert (refused.returncode, refused.stderr) == (
            1,
            "dodona: sbatch refused the job: sbatch: error: invalid partition\n",
        )
        missing = run(tmp_path, "--backend", "slurm", "nowhere.py", tools=tools)
        assert (missing.returncode, missing.stderr) == (2, "dodona: there is no script nowhere.py\n")
        unnamed = run(tmp_path, "--backend", "slurm", "--workers", "0:4", str(SCRIPT), tools=tools)
        assert (unnamed.returncode, unnamed.stderr) == (
            2,
            "dodona: --workers MIN:MAX needs --study here, the name of the study\n",
        )
        part = run(tmp_path, "--backend", "slurm", "--gpus-per-worker", "0.5", str(SCRIPT), tools=tools)
        assert (part.returncode, part.stderr) == (2, "dodona: --gpus-per-worker 0.5: slurm gives out whole GPUs\n")


class TestKubernetes:
    OPTIONS = ("--backend", "kubernetes", "--image", "registry.example/train:1", "--workers", "3")

    def manifest(self, folder: Path, *more: str) -> dict[str, Any]:
        done = run(folder, *self.OPTIONS, *more, "--dry-run", "train.py", "--epochs", "5", DODONA_URL="http://dodona")
        assert done.returncode == 0, done.stderr
        manifest: dict[str, Any] = json.loads(done.stdout)
        return manifest

    @pytest.mark.parametrize("more", [(), ("--gpus-per-worker", "1", "--cpus-per-worker", "4", "--token-secret", "s")])
    def test_the_manifest_is_valid(self, tmp_path: Path, more: tuple[str, ...]) -> None:
        kubernetes_validate.validate(self.manifest(tmp_path, *more), "1.33", strict=True)

    def test_a_worker_has_a_name_that_outlives_its_pod_and_the_token_by_reference(self, tmp_path: Path) -> None:
        spec = self.manifest(tmp_path, "--gpus-per-worker", "1", "--token-secret", "dodona")["spec"]
        assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
        assert spec["podReplacementPolicy"] == "Failed"
        (worker,) = spec["template"]["spec"]["containers"]
        variables = {one["name"]: one for one in worker["env"]}
        assert variables["DODONA_WORKER"]["value"] == "$(JOB)-$(INDEX)"
        assert variables["DODONA_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "dodona", "key": "token"}
        assert worker["resources"]["limits"] == {"nvidia.com/gpu": "1"}
        assert worker["command"][-3:] == ["train.py", "--epochs", "5"]

    def test_it_is_given_to_kubectl(self, tmp_path: Path, tools: Path) -> None:
        put(tools, "kubectl", '#!/bin/sh\necho "$*" > asked\ncat > manifest\necho job.batch/dodona-train-x7k2p\n')
        done = run(tmp_path, *self.OPTIONS, "train.py", tools=tools, DODONA_URL="http://dodona")
        assert done.stdout.startswith("job dodona-train-x7k2p: 3 workers; ")
        assert (tmp_path / "asked").read_text() == "create --filename=- --output=name\n"
        assert json.loads((tmp_path / "manifest").read_text())["kind"] == "Job"

    def test_the_number_of_workers_follows_the_study(self, tmp_path: Path, tools: Path, server_url: str) -> None:
        stand_in = Path(__file__).with_name("kubectl.py")
        put(tools, "kubectl", f'#!/bin/sh\nexec {sys.executable} {stand_in} "$@"\n')
        options = ("--backend", "kubernetes", "--image", "i", "--workers", "1:2", "--study", "parabola")
        running = start(tmp_path, tools, server_url, *options, str(SCRIPT), "", "2")
        trials_once(server_url, both_are_busy)
        with dodona.Client(server_url) as client:
            study = client.get_study("parabola")
            study.set_wanted_workers(1)
            assert wait_for(tmp_path / "stopped") == "1 143"
            study.set_wanted_workers(None)
            said, _ = running.communicate(timeout=PATIENCE_SECONDS)
            trials = study.trials()
        assert running.returncode == 0
        assert "2 workers, 1 wanted: stopping dodona-script-x7k2p-1-1" in said
        first, second, *_ = (tmp_path / "patches").read_text().splitlines()
        assert json.loads(first) == {"spec": {"completions": 2, "parallelism": 2}}
        assert json.loads(second) == {"spec": {"completions": 1, "parallelism": 1}}
        assert {trial.state for trial in trials} == {"SUCCEEDED"}
        assert len(trials) == 6

    def test_what_is_missing_is_told(self, tmp_path: Path) -> None:
        without = run(tmp_path, "--backend", "kubernetes", "train.py")
        assert without.returncode == 2
        assert "needs --image" in without.stderr
        nowhere = run(tmp_path, *self.OPTIONS, "train.py")
        assert nowhere.returncode == 2
        assert "needs DODONA_URL" in nowhere.stderr
