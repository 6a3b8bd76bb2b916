"""Stands for Slurm's sbatch: runs the array's tasks here, and preempts the first one once.

The batch script comes on stdin, as from `dodona run --backend slurm`. The tasks run in the background after this has
ended, each with what Slurm gives it: its numbers, its output file, and SIGTERM before it is queued again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

JOB = "42"


def start(script: Path, pattern: str, task: int) -> subprocess.Popen[bytes]:
    """Start a task; its output is appended to its file."""
    place = pattern.replace("%A", JOB).replace("%a", str(task))
    variables = {"SLURM_ARRAY_JOB_ID": JOB, "SLURM_ARRAY_TASK_ID": str(task)}
    with open(place, "ab") as output:
        return subprocess.Popen(["bash", str(script)], env=os.environ | variables, stdout=output, stderr=output)


def main() -> None:
    assert sys.argv[1:] == ["--parsable"]
    text = sys.stdin.read()
    script = Path("batch.sh")
    script.write_text(text)
    pattern = re.search(r"#SBATCH --output=(\S+)", text)[1]
    last = int(re.search(r"#SBATCH --array=1-(\d+)", text)[1])
    assert re.search(r"#SBATCH --signal=B:TERM@\d+", text)
    print(JOB, flush=True)
    if os.fork():
        return
    os.close(1)
    os.close(2)
    os.setsid()
    tasks = {task: start(script, pattern, task) for task in range(1, last + 1)}
    # The test makes this file when the first task is to be preempted.
    while not Path("preempt").exists():
        time.sleep(0.05)
    tasks[1].send_signal(signal.SIGTERM)
    Path("preempted").write_text(str(tasks[1].wait()))
    tasks[1] = start(script, pattern, 1)
    codes = [task.wait() for task in tasks.values()]
    Path("ended").write_text(" ".join(map(str, codes)))


if __name__ == "__main__":
    main()
