"""Stands for kubectl with one Indexed Job: its pods are processes here, with the variables of the manifest.

A Job that shrinks loses the pods with the highest indexes, by SIGTERM; one that grows gets the next ones. `controller`
is what the cluster does meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAME = "dodona-script-x7k2p"
JOB = Path("job.json")


def controller() -> None:
    """Run the pods until all completions are reached."""
    pods: dict[int, subprocess.Popen[bytes]] = {}
    done: set[int] = set()
    while True:
        job = json.loads(JOB.read_text())
        (worker,) = job["spec"]["template"]["spec"]["containers"]
        wanted = set(range(job["spec"]["parallelism"]))
        for index in sorted(wanted - pods.keys() - done):
            variables = {one["name"]: one.get("value", "") for one in worker["env"]} | {"JOB": NAME}
            variables["DODONA_WORKER"] = f"{NAME}-{index}"
            command = [sys.executable, *worker["command"][1:]]
            with open(f"pod-{index}.log", "ab") as output:
                pods[index] = subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=output)
        for index, pod in list(pods.items()):
            if index not in wanted:
                pod.send_signal(signal.SIGTERM)
                Path("stopped").write_text(f"{index} {pod.wait()}")
                del pods[index]
            elif pod.poll() == 0:
                done.add(index)
                del pods[index]
        with changed() as job:
            job["status"] = {"completedIndexes": ",".join(map(str, sorted(done)))}
        if job["spec"]["completions"] and done >= set(range(job["spec"]["completions"])):
            return
        time.sleep(0.2)


@contextmanager
def changed() -> Iterator[dict[str, Any]]:
    """Yield the Job, and store what became of it; meanwhile nobody else changes it."""
    with open("lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        job = json.loads(JOB.read_text())
        yield job
        write(job)


def write(job: dict[str, Any]) -> None:
    """Replace the Job; a reader finds a whole one."""
    new = Path(f"job.{os.getpid()}")
    new.write_text(json.dumps(job))
    new.replace(JOB)


def main() -> None:
    """Do what is asked for."""
    match sys.argv[1:]:
        case ["create", "--filename=-", "--output=name"]:
            write(json.load(sys.stdin) | {"status": {}})
            print(f"job.batch/{NAME}", flush=True)
            if os.fork() == 0:
                os.close(1)
                os.close(2)
                os.setsid()
                controller()
        case ["get", "job", name, "--output=json"]:
            assert name == NAME
            print(JOB.read_text())
        case ["patch", "job", name, "--type=merge", patch]:
            assert name == NAME
            with changed() as job:
                job["spec"] |= json.loads(patch.removeprefix("--patch="))["spec"]
            with open("patches", "a") as patches:
                print(patch.removeprefix("--patch="), file=patches)
        case other:
            sys.exit(f"kubectl does not know {other}")


if __name__ == "__main__":
    main()
