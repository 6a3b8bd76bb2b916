"""What is measured: server processes, each on a fresh database."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil

from load import LOCATION, STUDY_SPEC, Connection

START_SECONDS = 30
STOP_SECONDS = 30
FLOOR = Path(__file__).with_name("floor.py")


class Server:
    """A server process on a free port of loopback.

    Args:
        command: its command line.
        folder: where it runs and logs.

    """

    def __init__(self, command: list[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "server.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DODONA_")}
        began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, stdout=output, stderr=output, env=inherited | {"PYTHONUNBUFFERED": "1"}
            )
        self.port = self._started(log)
        self.start_seconds = time.monotonic() - began

    def _started(self, log: Path) -> int:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            said = log.read_text()
            address = re.search(r"(?:listening|running) on http://\S+:(\d+)", said)
            if address and "startup complete" in said:
                return int(address[1])
            time.sleep(0.01)
        self._process.kill()
        raise RuntimeError(f"the server did not start:\n{log.read_text()}")

    def cpu_seconds(self) -> float:
        """User and system time of the server and its own worker processes since its start."""
        used = [process.cpu_times() for process in self._processes()]
        return float(sum(times.user + times.system for times in used))

    def resident_megabytes(self) -> float:
        """The resident memory of the server and its own worker processes."""
        return float(sum(process.memory_info().rss for process in self._processes())) / 1e6

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self._process.pid)
        return [server, *server.children(recursive=True)]

    def stop(self) -> None:
        """SIGTERM, and waits."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


def start(target: str, folder: Path, database_url: str | None = None) -> Server:
    """A running server.

    Args:
        target: "dodona", "floor" or "floor-shared".
        folder: where it runs; its database file too, unless there is a URL.
        database_url: for Dodona, as for `dodona serve --database-url`.

    """
    if target == "dodona":
        command = ["-m", "dodona_server", "serve", "--port", "0"]
        command += ["--database-url", database_url] if database_url else []
    else:
        command = [str(FLOOR), "--port", "0", "--database", "floor.db"]
        command += ["--shared"] if target == "floor-shared" else []
    return Server([sys.executable, *command], folder)


def create_study(target: str, port: int) -> str:
    """The path, from /v1 on, of a new study with ten parameters; the floor needs none."""
    study_id = f"benchmark-{uuid.uuid4().hex[:12]}"
    if target == "dodona":
        body = {"studyId": study_id, "displayName": study_id, "studySpec": STUDY_SPEC}
        Connection(port).post(f"{LOCATION}/studies", json.dumps(body))
    return f"{LOCATION}/studies/{study_id}"
