"""Several processes and several servers on one PostgreSQL: one of them may die at any moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.patience import patience
from tests.support.processes import SERVE, ServerProcess, environment

LOCATION = "/v1/projects/p/locations/l"
SPEC = {
    "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
    "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
    "algorithm": "RANDOM_SEARCH",
    "studyStoppingConfig": {"maxNumTrials": 40},
}


def create(url, **changes):
    body = {"studyId": "s", "studySpec": {**SPEC, **changes}}
    httpx.post(f"{url}{LOCATION}/studies", json=body).raise_for_status()


def work(url, name):
    """Runs trials until none is left; the numbers of those it completed."""
    done = []
    with httpx.Client(base_url=f"{url}{LOCATION}/studies/s", timeout=patience(60)) as client:
        while True:
            body = {"clientId": name, "suggestionCount": 1, "leaseDuration": "5s", "heldTrials": []}
            answer = client.post("/trials:suggest", json=body).json()["response"]
            for trial in answer["trials"]:
                final = {"metrics": [{"metricId": "loss", "value": 0.5}]}
                body = {"finalMeasurement": final, "attempt": trial["attempt"]}
                client.post(f"/trials/{trial['id']}:complete", json=body).raise_for_status()
                done.append(int(trial["id"]))
            if not answer["trials"]:
                if answer["studyState"] == "COMPLETED":
                    return done
                time.sleep(0.05)


def workers_of(process):
    """The processes that serve for this one."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found = []
    for child in map(int, children):
        with suppress(FileNotFoundError):  # it has just ended
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def test_two_servers_share_a_study(tmp_path, postgres_url):
    servers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        servers.append(ServerProcess(tmp_path / name, postgres_url).start())
    create(servers[0].url)
    with ThreadPoolExecutor(6) as threads:
        runs = [threads.submit(work, servers[index % 2].url, f"w{index}") for index in range(6)]
        done = [number for run in runs for number in run.result()]
    for server in servers:
        server.stop()
    assert sorted(done) == list(range(1, 41))


def test_several_processes_serve_one_address_and_dead_ones_are_replaced(tmp_path, postgres_url):
    server = ServerProcess(tmp_path, postgres_url, SERVE, DODONA_WORKERS="2").start()
    create(server.url)
    serving = workers_of(server.process)
    assert len(serving) == 2
    os.kill(serving[0], signal.SIGKILL)
    deadline = time.monotonic() + patience(30)
    while time.monotonic() < deadline and (
        serving[0] in workers_of(server.process) or len(workers_of(server.process)) < 2
    ):
        time.sleep(0.1)
    with ThreadPoolExecutor(4) as threads:
        done = [number for run in threads.map(lambda n: work(server.url, f"w{n}"), range(4)) for number in run]
    assert sorted(done) == list(range(1, 41))
    assert server.terminate() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/healthz")


def test_processes_end_at_once_with_the_one_that_started_them(tmp_path, postgres_url):
    server = ServerProcess(tmp_path, postgres_url, SERVE, DODONA_WORKERS="2").start()
    serving = workers_of(server.process)
    assert len(serving) == 2
    create(server.url)
    with httpx.Client(base_url=server.url) as idle:  # keeps none of them
        idle.get("/healthz").raise_for_status()
        server.kill()
        deadline = time.monotonic() + patience(
            10
        )  # of which a machine that does nothing else needs a fifth of a second
        while time.monotonic() < deadline and any(Path(f"/proc/{one}").exists() for one in serving):
            time.sleep(0.02)
    assert not [one for one in serving if Path(f"/proc/{one}").exists()]
    port = int(server.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):  # nobody has it
        pass


def test_one_process_alone_serves_a_file(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "dodona_server", "serve", "--workers", "2", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    assert ended.returncode == 2
    assert ended.stderr == "dodona: an SQLite database is served by one process: --workers 2 needs PostgreSQL\n"
