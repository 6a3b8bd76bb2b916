"""Restart of the program in the same process, after a number of trials.

Only the end of a program frees all the memory of its libraries and their drivers. The server has the whole search, so
a program that starts again continues it; it has the same process id, arguments and environment.
"""

from __future__ import annotations

import builtins
import os
import sys

from dodona import Study
from dodona._studies import searched as _searched
from dodona.keras._process.state import process_state

# The folder in which the program was started, which its command line may need; None if it was deleted.
try:
    _FOLDER: str | None = os.getcwd()
except FileNotFoundError:
    _FOLDER = None


def check_restart(trials_per_process: int | None) -> None:
    """Check that this program can be restarted, if it ever must be.

    Args:
        trials_per_process: after how many trials; None for never.

    Raises:
        ValueError: it cannot be restarted, or the number is below 1.
    """
    if trials_per_process is None:
        return
    if trials_per_process < 1:
        raise ValueError(f"trials_per_process is {trials_per_process}; it must be at least 1, or None for no limit")
    if hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__"):
        raise ValueError("trials_per_process needs a program that can be restarted, not a notebook or a prompt")


def restart(worker: str) -> None:
    """Replace this process by a new run of its program; never return.

    Args:
        worker: the worker id to keep.
    """
    os.environ |= {
        **_searched.variables_of([*_searched.searched_before(), *process_state.searched]),
        "DODONA_WORKER": worker,
    }
    if _FOLDER is not None:
        os.chdir(_FOLDER)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - its own command line


def record_search(study: Study) -> None:
    """Record that this program searches the study."""
    if study.name not in process_state.searched:
        process_state.searched.add(study.name)
        _searched.record_search(study.name)


def was_searched_before(study: Study) -> bool:
    """Return whether this program has searched the study before its restart."""
    return study.name in _searched.searched_before()
