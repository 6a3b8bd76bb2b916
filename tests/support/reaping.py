"""No process outlives the run that started it, however the run ends."""

from __future__ import annotations

import os
import uuid

import psutil

_RUN = "RUN_OF_DODONAS_TESTS"


def mark() -> None:
    """All that this run starts from now on can be told by its environment; xdist's workers are such processes too."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[_RUN] = uuid.uuid4().hex


def reap() -> None:
    """Kills what this run has started and left behind."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(_RUN) == os.environ[_RUN]:
                process.kill()
        except psutil.Error:
            continue  # it has ended meanwhile, or is another user's
