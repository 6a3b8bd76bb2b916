"""Kills the processes that a test run leaves behind, however the run ends."""

from __future__ import annotations

import os
import uuid

import psutil

_RUN = "RUN_OF_DODONAS_TESTS"


def mark() -> None:
    """Mark all processes that this run starts from now on, including xdist's workers, in their environment."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[_RUN] = uuid.uuid4().hex


def reap() -> None:
    """Kill the processes that this run has left behind."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(_RUN) == os.environ[_RUN]:
                process.kill()
        except psutil.Error:
            continue  # it has ended meanwhile, or is another user's
