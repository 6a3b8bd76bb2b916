"""What a backend is to run: copies of one script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class BackendFailed(Exception):
    """An engine's command is missing or has failed; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Job:
    """Workers of one script.

    Args:
        script: the Python script, at the same path where the workers run.
        arguments: of the script.
        workers: how many run it.
        gpus: of each worker; None to leave it to the engine.
        cpus: of each worker; None to leave it to the engine.
        grace: how many seconds a worker has to release its trial after SIGTERM.
        logs: the folder for the workers' output, where the engine keeps none itself.
    """

    script: Path
    arguments: Sequence[str]
    workers: int
    gpus: int | None
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
        """The command of one worker: `dodona run` restarts the script when it dies, and hands its trial back."""
        # The engine keeps the output.
        options = ["--grace", f"{self.grace:g}", "--logs", "-"]
        return ["-m", "dodona", "run", *options, str(self.script), *self.arguments]
