"""An upgrade without a pause: the release before the last change of the schema, and this one, on one PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import tarfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from dodona_server.storage.schema import administration as schema
from dodona_server.storage.schema import migrate
from tests.processes.test_many_servers import LOCATION, SPEC
from tests.support.patience import patience
from tests.support.processes import SERVE, ServerProcess

ROOT = Path(__file__).parents[2]
TRIALS = 150
# Kept until workers run on both servers.
LAST_TRIALS = 60


def git(*arguments: str) -> bytes:
    ended = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return ended.stdout if ended.returncode == 0 else b""


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """The code before the last migration."""
    (last,) = (migrate.MIGRATIONS / "versions").glob(f"{schema.head()}_*.py")
    added = git("log", "-1", "--diff-filter=A", "--format=%H", "--", str(last.relative_to(ROOT))).decode().strip()
    content = git("archive", f"{added}^", "server", "client", "proto_schemas", "migrations") if added else b""
    if not content:
        pytest.skip("this checkout has no history, and so not the code before the last migration")
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder


class Fleet:
    """Workers that run trials on one server each, until the study is completed; a failed call is sent again."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.by_server: Counter[str] = Counter()
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.both_serve = threading.Event()
        # One for all calls: a new one reads all certificates, which takes longer than the call.
        self.client = httpx.Client(timeout=patience(60))

    def call(self, url: str, path: str, body: dict) -> dict:
        deadline = time.monotonic() + patience(60)
        while True:
            answer = self.client.post(f"{url}{LOCATION}/studies/s{path}", json=body)
            if answer.status_code == 200:
                return answer.json()
            # What the client retries; anything else is a fault of the upgrade.
            assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def work(self, url: str, name: str) -> None:
        step = 0
        while True:
            step += 1
            if len(self.done) > TRIALS - LAST_TRIALS:
                assert self.both_serve.wait(patience(60))
            body = {"clientId": name, "suggestionCount": 1, "requestId": f"{name}-{step}"}
            answer = self.call(url, "/trials:suggest", body)["response"]
            for trial in answer["trials"]:
                time.sleep(0.05)
                path, metrics = f"/trials/{trial['id']}", [{"metricId": "loss", "value": 0.5}]
                self.call(url, f"{path}:addTrialMeasurement", {"measurement": {"stepCount": 1, "metrics": metrics}})
                self.call(url, f"{path}:complete", {"finalMeasurement": {"metrics": metrics}})
                with self.lock:
                    self.done.append(int(trial["id"]))
                    self.by_server[url] += 1
            if not answer["trials"]:
                if answer["studyState"] == "COMPLETED":
                    return
                time.sleep(0.05)

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + patience(60)
        while len(self.done) < count:
            assert time.monotonic() < deadline, self.done
            time.sleep(0.02)


def test_two_releases_serve_one_study(older, tmp_path, postgres_url):
    path = os.pathsep.join(str(older / part) for part in ("server", "client", "proto_schemas"))
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old = ServerProcess(tmp_path / "old", postgres_url, SERVE, PYTHONPATH=path).start()
    before = schema.current(postgres_url)
    assert before != schema.head()
    new = ServerProcess(tmp_path / "new", postgres_url)
    stopping = {"studyStoppingConfig": {"maxNumTrials": TRIALS}}
    body = {"studyId": "s", "studySpec": {**SPEC, **stopping}}
    httpx.post(f"{old.url}{LOCATION}/studies", json=body).raise_for_status()
    fleet = Fleet()
    try:
        with ThreadPoolExecutor(4) as threads:
            runs = [threads.submit(fleet.work, old.url, f"old-{index}") for index in range(2)]
            fleet.wait_for(10)
            # It upgrades the schema while workers run.
            new.start()
            assert schema.current(postgres_url) == schema.head()
            runs += [threads.submit(fleet.work, new.url, f"new-{index}") for index in range(2)]
            fleet.both_serve.set()
            for run in runs:
                run.result()
        assert sorted(fleet.done) == list(range(1, TRIALS + 1))
        assert min(fleet.by_server[old.url], fleet.by_server[new.url]) > 10, fleet.by_server
        # Each sees what the other has done, and what it deletes is gone on both.
        for server in (old, new):
            trials = httpx.get(f"{server.url}{LOCATION}/studies/s/trials?pageSize=1000").json()["trials"]
            assert [trial["state"] for trial in trials] == ["SUCCEEDED"] * TRIALS
            assert httpx.get(f"{server.url}{LOCATION}/studies/s/events?pageSize=1000").status_code == 200
        httpx.delete(f"{new.url}{LOCATION}/studies/s").raise_for_status()
        assert httpx.get(f"{old.url}{LOCATION}/studies/s").status_code == 404
        httpx.post(f"{old.url}{LOCATION}/studies", json=body).raise_for_status()
        assert httpx.get(f"{new.url}{LOCATION}/studies/s").status_code == 200
        assert "Traceback" not in old.log.read_text() + new.log.read_text()
    finally:
        fleet.client.close()
        old.stop()
        new.stop()
