"""Studies that a program has searched before a restart, and so must not start over.

The program's environment lists them. It writes each further study to the file of the `dodona run` that started it, if
one did.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

# The studies, as a JSON array; and the file for further ones, one a line.
_BEFORE = "DODONA_SEARCHED_STUDIES"
_FILE = "DODONA_SEARCHED_FILE"


def searched_before(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the studies that were searched before a process with this environment began."""
    names: list[str] = json.loads(environment.get(_BEFORE, "[]"))
    return names


def record_search(name: str) -> None:
    """Record a study that is being searched, for the `dodona run` that started this process, if one did."""
    if path := os.environ.get(_FILE):
        # A killed `dodona run` has removed the file.
        with suppress(OSError), open(path, "a") as file:
            file.write(f"{name}\n")


def variables_of(names: Iterable[str]) -> dict[str, str]:
    """Return the environment variables of a restarted process.

    Args:
        names: the studies that were searched before.
    """
    return {_BEFORE: json.dumps(sorted(set(names)))}


class SearchedFile:
    """File in which the workers of a `dodona run` record the studies that they search.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def variables(self) -> dict[str, str]:
        """Return the environment variables of a worker that starts now."""
        written = self._path.read_text().splitlines() if self._path.exists() else []
        return {_FILE: str(self._path), **variables_of([*searched_before(), *written])}
