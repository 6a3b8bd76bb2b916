"""Slurm: array jobs, whose tasks are the workers."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from collections.abc import Collection, Sequence
from typing import ClassVar

from dodona.launch.launcher import BackendFailed, Job, counted

# Slurm sends SIGTERM this long before it kills: time to release the trial and to write what is left of the log.
MARGIN_SECONDS = 30


class SlurmLauncher:
    """Workers in array jobs: each start submits one. A preempted task is queued again under its number.

    Args:
        job: what to run.
        options: further options of sbatch, such as "--partition=gpu".
    """

    poll_seconds: ClassVar[float] = 2.0
    last_first: ClassVar[bool] = False
    outlives: ClassVar[bool] = True

    def __init__(self, job: Job, options: Sequence[str]) -> None:
        self._job = job
        self._options = options
        self._ids: list[str] = []
        self._alive: list[str] = []

    def dry_run(self, count: int) -> str:
        """Return what `start` would submit."""
        return script_of(self._job, count, self._options)

    def start(self, count: int) -> None:
        """See `Launcher`."""
        # Slurm does not create it, and drops the output of a job without it.
        self._job.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        answer = _call(["sbatch", "--parsable"], self.dry_run(count))
        # With several clusters, the cluster's name follows.
        number = answer.strip().partition(";")[0]
        self._ids.append(number)
        self._alive += [_name(f"{number}_{task}") for task in range(1, count + 1)]

    def stop(self, names: Collection[str], *, now: bool = False) -> None:
        """See `Launcher`."""
        tasks = [_task(name) for name in names]
        if now:
            _call(["scancel", *tasks])
            return
        # A signal does not reach tasks that wait; only the script itself gets it, and passes it on.
        _call(["scancel", "--state=PENDING", *tasks])
        _call(["scancel", "--batch", "--signal=TERM", "--state=RUNNING", *tasks])

    def alive(self) -> list[str]:
        """See `Launcher`."""
        if not self._ids:
            return []
        listed = [f"--jobs={','.join(self._ids)}", "--array", "--noheader", "--format=%F_%K"]
        try:
            self._alive = [_name(task) for task in _call(["squeue", *listed]).split()]
        except BackendFailed as error:
            # Slurm forgets jobs some minutes after their end; otherwise it may just not answer for a moment.
            if "Invalid job id" in str(error):
                self._alive = []
        return list(self._alive)

    def logs(self) -> str:
        """See `Launcher`."""
        number = self._ids[-1]
        workers = counted(len(self._alive))
        return f"job {number}: {workers}; their output: {self._job.logs}/{number}_*.log; to end them: scancel {number}"


def _name(task: str) -> str:
    """Return the name of the worker of a task such as "42_1"; `dodona run` in the task adds its number."""
    return f"slurm-{task.replace('_', '-')}-1"


def _task(name: str) -> str:
    return name.removeprefix("slurm-").removesuffix("-1").replace("-", "_")


def script_of(job: Job, workers: int, options: Sequence[str]) -> str:
    """Return the batch script.

    A preempted task is queued again under the same number, so the worker keeps its name and gets its trial back.

    Args:
        job: what to run.
        workers: how many.
        options: further options of sbatch, such as "--partition=gpu".
    """
    directives = [
        f"--job-name={job.name}",
        f"--array=1-{workers}",
        f"--output={job.logs}/%A_%a.log",
        "--requeue",
        f"--signal=B:TERM@{math.ceil(job.grace) + MARGIN_SECONDS}",
        "--open-mode=append",
    ]
    if job.cpus is not None:
        directives.append(f"--cpus-per-task={job.cpus}")
    if job.gpus:
        directives.append(f"--gres=gpu:{job.gpus:g}")
    # With exec, the process that gets the signal is `dodona run` itself.
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {directive}" for directive in [*directives, *options]),
            'export DODONA_WORKER="slurm-${SLURM_ARRAY_JOB_ID}-${SLURM_ARRAY_TASK_ID}"',
            f"exec {shlex.join([sys.executable, *job.worker_command])}",
            "",
        ]
    )


def _call(command: list[str], text: str | None = None) -> str:
    """Run a command of Slurm, with the environment of this process; return its output.

    Raises:
        BackendFailed: there is no such command, or it failed.
    """
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603
    except FileNotFoundError:
        raise BackendFailed(f"there is no {command[0]} on this machine; --dry-run prints the script") from None
    except subprocess.CalledProcessError as error:
        what = "refused the job" if command[0] == "sbatch" else "failed"
        raise BackendFailed(f"{command[0]} {what}: {error.stderr.strip()}") from None
