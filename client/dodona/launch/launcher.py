"""Interface of the engines: what an engine is to run, and how to start, stop, list and show workers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol


class BackendFailed(Exception):
    """An engine's command is missing or has failed; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Job:
    """Workers of one script.

    Args:
        script: the Python script, at the same path where the workers run.
        arguments: of the script.
        gpus: of each worker; None to leave it to the engine.
        cpus: of each worker; None to leave it to the engine.
        grace: how many seconds a worker has to release its trial after SIGTERM.
        logs: the folder for the workers' output, where the engine keeps none itself.
    """

    script: Path
    arguments: Sequence[str]
    gpus: float | None
    cpus: int | None
    grace: float
    logs: Path

    @property
    def name(self) -> str:
        """A name that every engine accepts."""
        stem = re.sub("[^a-z0-9]+", "-", self.script.stem.lower()).strip("-")[:40]
        return f"dodona-{stem or 'script'}"

    @property
    def worker_command(self) -> list[str]:
        """Command of one worker: `dodona run` restarts the script when it dies, and hands its trial back."""
        # The engine keeps the output.
        options = ["--grace", f"{self.grace:g}", "--logs", "-"]
        return ["-m", "dodona", "run", *options, str(self.script), *self.arguments]


class Launcher(Protocol):
    """An engine that runs workers under stable names: a worker that is moved or restarted keeps its name.

    Attributes:
        poll_seconds: how often `alive` may be called.
        last_first: whether it can stop only the workers that it started last.
        outlives: whether its workers continue when this process ends.
    """

    poll_seconds: ClassVar[float]
    last_first: ClassVar[bool]
    outlives: ClassVar[bool]

    def start(self, count: int) -> None:
        """Start so many workers more.

        Raises:
            BackendFailed: the engine refuses them.
        """

    def stop(self, names: Collection[str], *, now: bool = False) -> None:
        """Stop workers: they release their trials and exit; with `now`, end them at once.

        Raises:
            BackendFailed: the engine refuses it.
        """

    def alive(self) -> list[str]:
        """Return the names of the workers that run or will run, in the order of their start.

        They are the names by which the server knows them. Those that are asked to stop count until they have ended.
        """

    def logs(self) -> str:
        """Return where the workers' output is, and how to end them, in one line."""


def counted(number: int, noun: str = "worker") -> str:
    """Return a number of things in words: "1 worker", "2 workers"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
