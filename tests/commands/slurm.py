"""Stands for Slurm's sbatch, squeue and scancel: runs the tasks of arrays here, and preempts the first one once.

The batch script comes on stdin, as from `dodona run --backend slurm`. The tasks run in the background after sbatch has
ended, each with what Slurm gives it: its numbers, its output file, and SIGTERM before it is queued again. While a task
runs, the file `task_JOB_TASK` has its process id.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

FIRST_JOB = 42


def start(job: str, script: Path, pattern: str, task: int) -> subprocess.Popen[bytes]:
    """Start a task; its output is appended to its file."""
    place = pattern.replace("%A", job).replace("%a", str(task))
    variables = {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(task)}
    with open(place, "ab") as output:
        process = subprocess.Popen(["bash", str(script)], env=os.environ | variables, stdout=output, stderr=output)
    Path(f"task_{job}_{task}").write_text(str(process.pid))
    return process


def ended(job: str, task: int, process: subprocess.Popen[bytes]) -> int:
    """Wait for a task, and let it disappear from the queue."""
    code = process.wait()
    Path(f"task_{job}_{task}").unlink()
    return code


def sbatch() -> None:
    """Run an array."""
    assert sys.argv[2:] == ["--parsable"]
    text = sys.stdin.read()
    job = str(FIRST_JOB + len(list(Path().glob("batch_*"))))
    script = Path(f"batch_{job}")
    script.write_text(text)
    pattern = re.search(r"#SBATCH --output=(\S+)", text)[1]
    last = int(re.search(r"#SBATCH --array=1-(\d+)", text)[1])
    assert re.search(r"#SBATCH --signal=B:TERM@\d+", text)
    tasks = range(1, last + 1)
    # What waits is in the queue too.
    for task in tasks:
        Path(f"task_{job}_{task}").touch()
    print(job, flush=True)
    if os.fork():
        return
    os.close(1)
    os.close(2)
    os.setsid()
    processes = {task: start(job, script, pattern, task) for task in tasks}
    if os.environ.get("PREEMPTS"):
        # The test makes this file when the first task is to be preempted.
        while not Path("preempt").exists():
            time.sleep(0.05)
        processes[1].send_signal(signal.SIGTERM)
        Path("preempted").write_text(str(processes[1].wait()))
        processes[1] = start(job, script, pattern, 1)
    codes = [ended(job, task, process) for task, process in processes.items()]
    Path(f"ended_{job}").write_text(" ".join(map(str, codes)))


def squeue() -> None:
    """List what runs."""
    jobs, *rest = sys.argv[2:]
    assert rest == ["--array", "--noheader", "--format=%F_%K"]
    for job in jobs.removeprefix("--jobs=").split(","):
        for file in sorted(Path().glob(f"task_{job}_*")):
            print(file.name.removeprefix("task_"))


def scancel() -> None:
    """Send a signal to tasks that run."""
    if "--state=PENDING" in sys.argv:
        return
    assert sys.argv[2:5] == ["--batch", "--signal=TERM", "--state=RUNNING"]
    for task in sys.argv[5:]:
        os.kill(int(Path(f"task_{task}").read_text()), signal.SIGTERM)


if __name__ == "__main__":
    {"sbatch": sbatch, "squeue": squeue, "scancel": scancel}[sys.argv[1]]()
