"""Real servers and workers as processes that can be killed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.forking import ForkedServer
from tests.support.patience import patience

START_SECONDS = patience(30)
SERVE = (sys.executable, "-m", "dodona_server", "serve")


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without Dodona's variables, with `variables` added."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DODONA_")}
    return {**inherited, "PYTHONUNBUFFERED": "1", **variables}


def _ports() -> Iterator[int]:
    """Yield ports, from a random one on, that neither the system nor another process of this test run gives away.

    Systems give connections, and listeners on port 0, one from 32 768 up. Ray gives its workers one below 20 000.
    """
    worker, workers = (os.environ.get(f"PYTEST_XDIST_WORKER{name}", "") for name in ("", "_COUNT"))
    ports = range(20_000 + int(worker[2:] or 0), 32_000, int(workers or 1))
    yield from itertools.islice(itertools.cycle(ports), random.randrange(len(ports)), None)


_PORTS = _ports()


def free_port() -> int:
    """Return a port of this machine that stays free until its caller uses it."""
    while True:
        port = next(_PORTS)
        with suppress(OSError), socket.create_server(("", port)):
            return port


class ServerProcess:
    """`dodona serve` on a free port, which stays the same over restarts.

    Args:
        folder: its working directory; the log is there too.
        database_url: see `--database-url`; None for the default file in `folder`.
        command: the command that starts it; environment variables set the port and the database. None for a fork of a
            process that has imported the server, which starts in a tenth of the time, as one server process.
        variables: further environment variables.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        command: Sequence[str] | None = None,
        **variables: str,
    ) -> None:
        self.folder = folder
        self._command = command
        self._environment = environment(**variables)
        if database_url:
            self._environment["DODONA_DATABASE_URL"] = database_url
        self._port = free_port()
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | ForkedServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> ServerProcess:
        """Start the server and wait until it listens."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            variables = {**self._environment, "DODONA_PORT": str(self._port)}
            if self._command is None:
                self.process = ForkedServer(self.folder, variables, log.fileno())
            else:
                self.process = subprocess.Popen(self._command, cwd=self.folder, env=variables, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            said = self.log.read_bytes()[offset:].decode()
            if "startup complete" in said:
                return self
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """Send SIGKILL: the server finishes and writes nothing more."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=START_SECONDS)

    def stop(self) -> None:
        """Stop the server if it runs; kill it if it does not exit."""
        if self.process.poll() is None:
            try:
                self.terminate()
            finally:
                self.kill()
