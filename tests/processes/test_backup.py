"""`dodona db backup|restore|export|import`: a real server is saved while it works, and its search goes on elsewhere."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

import dodona
from dodona_server.storage.schema import administration as schema
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

pytestmark = pytest.mark.processes

WEIGHTS = bytes(range(256)) * 5000


def db(folder, *arguments, code=0):
    """Runs `dodona db` to its end and returns what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "dodona_server", "db", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'first.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def other_url(url, tmp_path, request):
    """The URL of an empty database of the other kind."""
    return request.getfixturevalue("postgres_url") if url.startswith("sqlite") else f"sqlite:///{tmp_path / 'other.db'}"


@pytest.fixture
def serve(tmp_path):
    """Starts a server on a database, with its own folder for artifacts."""
    started = []

    def start(name, url):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        started.append(ServerProcess(folder, url, DODONA_ARTIFACTS="files").start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(WEIGHTS)
    return path


@contextmanager
def searching(url, weights):
    """A worker, while the context lasts; the file of each of its trials is replaced by the next epoch, and deleted."""
    stop = threading.Event()

    def search():
        with dodona.Client(url, worker="busy") as client:
            study = client.get_study("s")
            while not stop.is_set():
                with study.ask() as trial:
                    for step in range(3):
                        trial.report(step, step=step)
                        trial.artifacts.save("last", weights)
                    trial.artifacts.delete("last")
                    trial.complete(trial.parameters["x"])

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(search)
        yield
        stop.set()
        future.result()


def fill(client, weights):
    """Makes a study with two finished trials; returns a third one, which runs."""
    study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm="RANDOM_SEARCH")
    for _ in range(2):
        with study.ask() as trial:
            trial.artifacts.save("weights", weights)
            trial.complete(trial.parameters["x"])
    return study.ask()


def go_on(url, running, folder):
    """Finds the files, ends the trial that was running, and runs another one."""
    with dodona.Client(url, worker="w") as client:
        study = client.get_study("s")
        files = study.all_artifacts()
        assert {file.name for file in files} >= {"weights"}
        for file in files:
            assert study.artifacts(file.trial).load(file.name, folder / "found").read_bytes() == WEIGHTS
        with study.ask() as again:
            assert (again.number, again.parameters) == (running.number, running.parameters)
            again.complete(0.5)
        numbers = {trial.number for trial in study.trials()}
        with study.ask() as new:
            assert new.number == max(numbers) + 1
            new.complete(1.0)
    events = httpx.get(f"{url}/v1/projects/default/locations/local/studies/{study.id}/events?pageSize=1000").json()
    assert [int(event["number"]) for event in events["events"]] == list(range(1, len(events["events"]) + 1))
    assert len(events["events"]) > len(numbers)


def audited(url):
    """What the audit log of an open server says was done, and to what."""
    return [(one["action"], one["target"]) for one in httpx.get(f"{url}/v1/audit").json()["entries"]]


def test_a_served_database_is_backed_up_and_its_search_goes_on(url, other_url, serve, weights, tmp_path):
    first = serve("first", url)
    with dodona.Client(first.url, worker="w") as client:
        running = fill(client, weights)
        with searching(first.url, weights):
            said = db(first.folder, "backup", "b.zip", "--database-url", url, "--artifacts", "files")
        archive = first.folder / "b.zip"
        assert said.startswith(f"b.zip: {archive.stat().st_size} bytes, with ")
        assert archive.stat().st_mode & 0o077 == 0
        assert "is missing" not in said
        refused = db(first.folder, "backup", "b.zip", "--database-url", url, "--artifacts", "files", code=2)
        assert "b.zip exists already" in refused
        first.kill()
    (tmp_path / "second").mkdir()
    refused = db(tmp_path / "second", "restore", str(archive), "--database-url", url, code=2)
    assert "is not empty: artifacts has rows; choose another one, or use --force" in refused
    for target, force in ((other_url, ()), (url, ("--force",))):
        arguments = ("restore", str(archive), "--database-url", target, "--artifacts", "files", *force)
        assert f"schema {schema.head()} -> {schema.head()}" in db(tmp_path / "second", *arguments)
        second = serve("second", target)
        assert ("restore", "b.zip") in audited(second.url)
        go_on(second.url, running, tmp_path)
        second.kill()


def test_a_project_moves_to_a_database_of_the_other_kind(url, other_url, serve, weights, tmp_path):
    first = serve("first", url)
    with dodona.Client(first.url, worker="w") as client, dodona.Client(first.url, project="other") as others:
        running = fill(client, weights)
        others.create_study("theirs", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm="RANDOM_SEARCH")
        db(first.folder, "export", "p.zip", "--project", "default", "--database-url", url, "--artifacts", "files")
        first.kill()
    with zipfile.ZipFile(first.folder / "p.zip") as archive:
        assert b"theirs" not in archive.read("tables/studies.jsonl")
    (tmp_path / "second").mkdir()
    arguments = ("import", str(first.folder / "p.zip"), "--database-url", other_url, "--artifacts", "files")
    assert db(tmp_path / "second", *arguments) == "imported 1 studies\n"
    second = serve("second", other_url)
    assert ("import", "1 studies from p.zip") in audited(second.url)
    go_on(second.url, running, tmp_path)
