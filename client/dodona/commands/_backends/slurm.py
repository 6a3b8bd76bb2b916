"""Slurm: one array job, whose tasks are the workers."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from collections.abc import Sequence

from dodona.commands._backends.job import BackendFailed, Job

# Slurm sends SIGTERM this long before it kills: time to release the trial and to write what is left of the log.
MARGIN_SECONDS = 30


def script_of(job: Job, options: Sequence[str]) -> str:
    """Return the batch script.

    A preempted task is queued again under the same number, so the worker keeps its name and gets its trial back.

    Args:
        job: what to run.
        options: further options of sbatch, such as "--partition=gpu".
    """
    directives = [
        f"--job-name={job.name}",
        f"--array=1-{job.workers}",
        f"--output={job.logs}/%A_%a.log",
        "--requeue",
        f"--signal=B:TERM@{math.ceil(job.grace) + MARGIN_SECONDS}",
        "--open-mode=append",
    ]
    if job.cpus is not None:
        directives.append(f"--cpus-per-task={job.cpus}")
    if job.gpus:
        directives.append(f"--gres=gpu:{job.gpus}")
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


def submit(script: str) -> str:
    """Submit a batch script, with the environment of this process; return the id of the job.

    Raises:
        BackendFailed: there is no sbatch, or it refused the job.
    """
    try:
        done = subprocess.run(["sbatch", "--parsable"], input=script, capture_output=True, text=True, check=True)  # noqa: S607
    except FileNotFoundError:
        raise BackendFailed("there is no sbatch on this machine; --dry-run prints the script") from None
    except subprocess.CalledProcessError as error:
        raise BackendFailed(f"sbatch refused the job: {error.stderr.strip()}") from None
    # With several clusters, the cluster's name follows.
    return done.stdout.strip().partition(";")[0]
