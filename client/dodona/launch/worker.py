"""Worker: the process of a script on this machine, restarted when it dies."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from dodona._studies.searched import SearchedFile
from dodona._trials.status import VARIABLE, Status, read_status

# After this many deaths in a row without a reported step or a finished trial, the worker is given up.
MOST_DEATHS = 3
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
LAST_LINES = 20
# A worker that shared its GPU, ran out of memory and gave its trial back; it is restarted when others have made room.
OUT_OF_MEMORY = 75
OUT_OF_MEMORY_PAUSE_SECONDS = 10.0
# Linux sends this to a process whose parent has died.
_PR_SET_PDEATHSIG = 1
# How much of the end of a log is searched for its last lines.
LAST_BYTES = 20_000


class Worker:
    """A script's process with its name, log and progress.

    Args:
        name: the worker id, the same after a restart.
        command: the command line.
        variables: returns environment variables, added to those of this process at each start.
        log: the file for its output, restarts included; None for the output of this process.
        status_path: the status file that the process writes.
        searched: the studies that this and the other workers have searched.
        dies_with_parent: whether the process exits when this one is killed (on Linux).

    Attributes:
        restarts: how often it was restarted.
        given_up: whether it died too often.
        stopped: whether it was asked to exit.
        shortages: how often it gave a trial back for want of memory.

    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        variables: Callable[[], Mapping[str, str]],
        log: Path | None,
        status_path: Path,
        searched: SearchedFile,
        *,
        dies_with_parent: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self.given_up = False
        self.stopped = False
        self.shortages = 0
        self._command = list(command)
        self._environment = {
            "PYTHONUNBUFFERED": "1",
            "DODONA_WORKER": name,
            VARIABLE: str(status_path),
        }
        self._variables = variables
        self._dies_with_parent = dies_with_parent
        self._status_path = status_path
        self._searched = searched
        self._process: subprocess.Popen[bytes] | None = None
        self._before: Status | None = None
        self._deaths = 0
        self._code: int | None = None
        self._again_at: float | None = None

    @property
    def status(self) -> Status | None:
        """Last status; None before the first."""
        return read_status(self._status_path)

    @property
    def ended(self) -> bool:
        """Whether it has ended and will not be restarted."""
        return self._process is None and self._again_at is None

    @property
    def state(self) -> str:
        """State in a few words, for people."""
        if self._again_at is not None:
            return f"{self._exit_text()}, again in {max(0, round(self._again_at - time.monotonic()))} s"
        if self._process is None:
            if self.stopped:
                return "stopped"
            return f"given up: {self._exit_text()}" if self.given_up else self._exit_text()
        if self.stopped:
            return "stopping"
        return "starting" if self.status == self._before else "running"

    def start(self) -> None:
        """Start the process."""
        self._again_at = None
        self._before = self.status
        with self._output() as log:
            # In a session of its own: Ctrl-C in the terminal reaches `dodona run`, which passes it on.
            self._process = subprocess.Popen(  # noqa: S603 - what the user wants to run
                self._command,
                env={**os.environ, **self._variables(), **self._environment, **self._searched.variables()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if self._dies_with_parent and sys.platform == "linux" else None,
            )

    def check(self) -> None:
        """Record a death, and restart the process when its pause is over."""
        if self._again_at is not None and time.monotonic() >= self._again_at:
            self.restarts += 1
            self.start()
        if self._process is None or self._process.poll() is None:
            return
        self._collect()
        if self._code == 0:
            return
        if self._code == OUT_OF_MEMORY:
            self.shortages += 1
            self._again_at = time.monotonic() + OUT_OF_MEMORY_PAUSE_SECONDS
            return
        self._deaths = 1 if self._made_progress() else self._deaths + 1
        if self._deaths >= MOST_DEATHS:
            self.given_up = True
            return
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self._deaths - 1))
        self._again_at = time.monotonic() + pause

    def interrupt(self) -> None:
        """Ask the process to release its trial and exit; it is not restarted."""
        self._again_at = None
        self.stopped = True
        if self._process is not None:
            # SIGINT becomes a KeyboardInterrupt in any Python script, which then releases its trials. SIGTERM would
            # kill a script that does not handle it.
            self._process.send_signal(signal.SIGINT)

    def has_exited(self) -> bool:
        """Return whether the process has ended after `interrupt`."""
        if self._process is not None and self._process.poll() is not None:
            self._collect()
        return self._process is None

    def kill(self) -> None:
        """End the process and all of its children with SIGKILL."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._collect()

    def _output(self) -> AbstractContextManager[BinaryIO | None]:
        if self.log is None:
            return nullcontext()
        self.log.touch(mode=0o600)
        return self.log.open("ab")

    def last_lines(self) -> str:
        """Return the last lines of its output, if it has a file of its own."""
        if self.log is None:
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    def _collect(self) -> None:
        assert self._process is not None  # noqa: S101 - for mypy
        self._code = self._process.returncode
        # Its children, such as data loaders, must not keep a GPU.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None

    def _made_progress(self) -> bool:
        status, before = self.status, self._before
        if status is None or status == before:
            return False
        return status.step is not None or status.finished > (before.finished if before else 0)

    def _exit_text(self) -> str:
        """Return how the process ended."""
        if self._code is None:
            return "not started"
        if self._code == OUT_OF_MEMORY:
            return "out of memory beside others"
        if self._code >= 0:
            return "ended" if self._code == 0 else f"exit code {self._code}"
        return f"killed by {signal.Signals(-self._code).name}"


def _die_with_parent() -> None:
    """Ask the kernel to interrupt this process when its parent dies, so that it releases its trial."""
    # Ray's own processes do not listen to SIGINT, and their children would not either.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))
