"""Ray: each worker is a task, which Ray runs again elsewhere when its node is lost."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Collection
from typing import Any, ClassVar

import ray

from dodona._trials.hardware import VISIBLE
from dodona.launch.gpus import of_part
from dodona.launch.launcher import BackendFailed, Job, counted
from dodona.launch.ray_task import run_worker

ANSWER_SECONDS = 20.0
# Variables of this process that the workers get.
PASSED = ("DODONA_", "KERAS_", "TF_", "XLA_", "JAX_")
# Those that are about this process alone.
OWN = ("DODONA_WORKER", "DODONA_STATUS", "DODONA_SEARCHED_FILE")


class RayLauncher:
    """Workers as tasks of a Ray cluster.

    Args:
        job: what to run; the nodes have Dodona, and the script at the same path.
        prefix: of the workers' names.
        address: of the cluster: "host:port" or "ray://host:port"; None for RAY_ADDRESS or the cluster of this machine.
        say: tells people a line.

    Raises:
        BackendFailed: there is no such cluster.
    """

    poll_seconds: ClassVar[float] = 1.0
    last_first: ClassVar[bool] = False
    outlives: ClassVar[bool] = False

    def __init__(self, job: Job, prefix: str, address: str | None, say: Callable[[str], None]) -> None:
        self._job = job
        self._prefix = prefix
        self._say = say
        self._tasks: dict[str, Any] = {}
        self.died: list[str] = []
        if address is not None:
            _check_answers(address)
        try:
            ray.init(address=address or os.environ.get("RAY_ADDRESS") or "auto", logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = address or "on this machine"
            raise BackendFailed(f"no Ray cluster {where}: {error}; start one with: ray start --head") from None

    def start(self, count: int) -> None:
        """See `Launcher`."""
        for _ in range(count):
            number = next(number for number in range(1, len(self._tasks) + 2) if self._name(number) not in self._tasks)
            self._tasks[self._name(number)] = self._submit(self._name(number))

    def stop(self, names: Collection[str], *, now: bool = False) -> None:
        """See `Launcher`."""
        for name in names:
            if name in self._tasks:
                ray.cancel(self._tasks[name], force=now)

    def alive(self) -> list[str]:
        """See `Launcher`."""
        refs = list(self._tasks.values())
        ended, _ = ray.wait(refs, num_returns=len(refs), timeout=0) if refs else ([], [])
        for name in [name for name, ref in self._tasks.items() if ref in ended]:
            self._collect(name, self._tasks.pop(name))
        return list(self._tasks)

    def logs(self) -> str:
        """See `Launcher`."""
        return f"{counted(len(self._tasks))} on Ray; their output: here; to end them: Ctrl-C"

    def _name(self, number: int) -> str:
        return f"{self._prefix}-{number}"

    def _submit(self, name: str) -> Any:
        task = ray.remote(run_worker)
        arguments = [str(self._job.script), *self._job.arguments]
        resources = {"num_gpus": self._job.gpus or 0, "num_cpus": 1 if self._job.cpus is None else self._job.cpus}
        self._say(f"{name}: submitted")
        # A lost node or a preemption never ends a worker for good; a script that dies repeatedly does.
        return task.options(name=name, max_retries=-1, **resources).remote(
            name, arguments, variables_for(self._job.gpus), self._job.grace, os.getcwd()
        )

    def _collect(self, name: str, ref: Any) -> None:
        try:
            ray.get(ref)
        except ray.exceptions.TaskCancelledError:
            self._say(f"{name}: stopped")
        except ray.exceptions.RayError as error:
            self.died.append(name)
            self._say(f"{name}: {str(error).strip().splitlines()[-1]}")
        else:
            self._say(f"{name}: ended")


def _check_answers(address: str) -> None:
    """Check that something answers at "host:port" or "ray://host:port"; Ray itself tries for minutes.

    Raises:
        BackendFailed: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise BackendFailed(f"no Ray cluster {address}: {error}; start one with: ray start --head") from None


def variables_for(gpus: float | None) -> dict[str, str]:
    """Return the environment variables of a worker, beside those that Ray gives it.

    Args:
        gpus: of each worker; None leaves it to Ray.
    """
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED) and name not in OWN}
    if gpus == 0:
        return passed | {VISIBLE: ""}
    return passed | (of_part(round(1 / gpus)) if gpus is not None and gpus < 1 else {})
