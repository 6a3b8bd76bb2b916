"""Task of a worker on a node of Ray: the process of the script, restarted when it dies."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dodona._studies.searched import SearchedFile
from dodona.launch.worker import Worker

POLL_SECONDS = 0.2


class WorkerDied(Exception):
    """The script died repeatedly."""


def run_worker(name: str, arguments: Sequence[str], variables: Mapping[str, str], grace: float, place: str) -> None:
    """Run a worker to its end; when the task is cancelled or its node leaves, the worker releases its trial.

    Args:
        name: the worker id; the same when Ray runs the task again on another node.
        arguments: the script and its arguments.
        variables: environment variables.
        grace: how many seconds the worker has to exit.
        place: the folder in which to run it, if the node has it.

    Raises:
        WorkerDied: the script died repeatedly; Ray has its output.
    """
    if Path(place).is_dir():
        os.chdir(place)
    with tempfile.TemporaryDirectory(prefix="dodona-run-") as folder:
        searched = SearchedFile(Path(folder) / "searched")
        command = [sys.executable, *arguments]
        status = Path(folder) / "status.json"
        worker = Worker(name, command, lambda: variables, None, status, searched, dies_with_parent=True)
        worker.start()
        try:
            while not worker.ended:
                time.sleep(POLL_SECONDS)
                worker.check()
        finally:
            worker.interrupt()
            deadline = time.monotonic() + grace
            while not worker.has_exited() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            worker.kill()
        if worker.given_up:
            raise WorkerDied(f"{name} died repeatedly: {worker.state}")
