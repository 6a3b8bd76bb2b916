"""One process for so many trials: the program is started anew in the process's place.

Only the end of a process frees all the memory that its libraries and their drivers have taken. As the server has the
whole search, a program that starts again goes on where it was; it has the same process id, arguments and environment.
"""

from __future__ import annotations

import builtins
import json
import os
import sys

from dodona import Study

# The studies that this program has searched before it was started anew: it must not start those over.
_SEARCHED = "DODONA_SEARCHED_STUDIES"


def check_restart(trials_per_process: int | None) -> None:
    """Checks that this program can be started anew, if it ever has to be.

    Args:
        trials_per_process: after how many trials; None for never.

    Raises:
        ValueError: it cannot, or the number is none.
    """
    if trials_per_process is None:
        return
    if trials_per_process < 1:
        raise ValueError(f"trials_per_process is {trials_per_process}; it is at least 1, or None for no limit")
    if hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__"):
        raise ValueError("trials_per_process needs a program that can be started anew, not a notebook or a prompt")


def restart(study: Study, worker: str) -> None:
    """Replaces this process by a new run of its program; never returns.

    Args:
        study: what it searches.
        worker: the name to keep.
    """
    os.environ[_SEARCHED] = json.dumps([*_searched(), study.name])
    os.environ["DODONA_WORKER"] = worker
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - its own command line


def goes_on(study: Study) -> bool:
    """Whether this program has searched the study before it was started anew."""
    return study.name in _searched()


def _searched() -> list[str]:
    names: list[str] = json.loads(os.environ.get(_SEARCHED, "[]"))
    return names
