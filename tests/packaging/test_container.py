"""The images without a container engine: their very commands, in a clean folder."""

from __future__ import annotations

import re
import sqlite3
import subprocess

import httpx
import pytest

import dodona
from tests.packaging.dockerfile import Image
from tests.packaging.environments import ROOT
from tests.support.processes import ServerProcess, environment

TOKEN = "a secret of the team"
# Of the files of a whole image, which the base image of Python is not.
MOST_BYTES = 300e6

TUNE = """
import dodona
study = dodona.Client().create_study("f", {"x": dodona.Float(0, 1)}, goal="minimize", max_trials=2)
study.optimize(lambda trial: trial.parameters["x"])
print(len(list(study.trials())), dodona.__file__)
"""

# The image has the driver of PostgreSQL, which `pip install 'dodona[server]'` does not bring.
SERVE = """
import sys
sys.modules["psycopg"] = None
sys.argv = ["dodona", "serve"]
import dodona_cli
dodona_cli.main()
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return Image((ROOT / "Dockerfile").read_text(), ROOT, tmp_path_factory.mktemp("image"))


def start(image, **variables):
    """The container's process; its variables are those of the image and `variables`."""
    folder = image.path("")
    return ServerProcess(folder, command=image.stage.command, **{**image.environment(), **variables}).start()


def is_healthy(image, server):
    """What the image's health check says of a server, or of the port where one was."""
    port = server.url.rpartition(":")[2]
    variables = environment(**{**image.environment(), "DODONA_PORT": port, "http_proxy": "http://127.0.0.1:1"})
    return subprocess.run(image.stage.healthcheck, env=variables, stderr=subprocess.DEVNULL).returncode == 0


def check_service(server):
    """A client with the token can work, and one without it cannot."""
    with dodona.Client(server.url, TOKEN) as client:
        study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", max_trials=1)
        study.optimize(lambda trial: trial.parameters["x"])
        assert [trial.state for trial in study.trials()] == ["SUCCEEDED"]
    for headers in ({}, {"Authorization": "Bearer another"}):
        answer = httpx.get(f"{server.url}/v1/projects/default/locations/local/studies", headers=headers)
        assert answer.status_code == 401


def test_the_image_is_the_server_alone_and_not_root(image):
    bases = {stage.base for stage in image.stages}
    assert len(bases) == 1, "a virtual environment works with the Python that made it"
    assert re.fullmatch(r"python:3\.1[1-9]-slim", bases.pop())
    uid, gid = image.stage.user.split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert image.stage.owners["/data"] == image.stage.user
    assert image.stage.volumes == ["/data"]
    assert image.stage.exposed == [image.stage.variables["DODONA_PORT"]]
    assert image.stage.workdir == "/data"
    listing = subprocess.run(
        ["python", "-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"],
        env=image.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    installed = set(listing.stdout.lower().split())
    assert {"dodona", "psycopg"} <= installed
    assert not {"tensorflow", "tensorflow-cpu", "keras", "keras-tuner", "pytest"} & installed


def test_the_container_as_it_is_keeps_its_studies_in_the_volume(image):
    server = start(image, DODONA_TOKEN=TOKEN)
    try:
        assert is_healthy(image, server)
        check_service(server)
    finally:
        assert server.terminate() == 0
    assert not is_healthy(image, server)
    assert image.path("/data/dodona.db").is_file()


def test_the_container_without_a_token_makes_one(image):
    server = start(image)
    try:
        (token,) = re.findall(r"dod_[0-9a-f]{12}_[0-9a-f]{40}", server.log.read_text())
        for headers, code in (({}, 401), ({"Authorization": f"Bearer {token}"}, 200)):
            path = f"{server.url}/v1/projects/default/locations/local/studies"
            assert httpx.get(path, headers=headers).status_code == code
    finally:
        server.terminate()


def test_the_image_is_small(image):
    assert sum(path.lstat().st_size for path in image.root.rglob("*") if not path.is_dir()) < MOST_BYTES


def test_the_container_with_postgresql_writes_to_its_volume_only(image, postgres_url, tmp_path):
    """As with a read-only root; the url is in a file."""
    url = tmp_path / "url"
    url.write_text(f"{postgres_url}\n")
    before = files_outside(image, "/data")
    server = start(image, DODONA_DATABASE_URL_FILE=str(url), DODONA_TOKEN=TOKEN, PYTHONDONTWRITEBYTECODE="")
    try:
        assert is_healthy(image, server)
        check_service(server)
        assert re.findall(r"database: (\w+)", server.log.read_text())[-1] == "postgresql"
    finally:
        assert server.terminate() == 0
    written = {path for path in files_outside(image, "/data") ^ before if path[0].suffix != ".pyc"}
    assert not written


def files_outside(image, folder):
    """The files of an image and their times, but those below `folder`."""
    paths = (path for path in image.root.rglob("*") if image.path(folder) not in path.parents and not path.is_dir())
    return {(path, path.lstat().st_mtime_ns) for path in paths}


def test_the_image_of_a_worker_runs_a_script(tmp_path, server):
    image = Image((ROOT / "Dockerfile").read_text(), ROOT, tmp_path, target="worker", WORKER_EXTRAS="cli")
    assert image.stage.user.split(":")[0] != "0"
    image.path("train.py").write_text(TUNE)
    ran = subprocess.run(
        image.stage.command,
        cwd=image.path(""),
        env=environment(**{**image.environment(), "DODONA_URL": server.url}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "2 /" in ran.stdout


def test_the_build_context_holds_what_the_image_copies():
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.+)$", dockerfile, flags=re.MULTILINE) for name in line.split()[:-1]
    }
    kept = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert kept == copied


def test_the_server_serves_from_an_empty_folder(image, tmp_path):
    python = str(image.path("/opt/dodona/bin/python"))
    server = ServerProcess(tmp_path, command=[python, "-c", SERVE]).start()
    try:
        for path in ("/healthz", "/readyz", "/docs", "/"):
            assert httpx.get(server.url + path).status_code == 200, path
        stylesheet = re.search(r'href="(/[^"]+\.css[^"]*)"', httpx.get(server.url).text)
        assert stylesheet is not None
        assert httpx.get(server.url + stylesheet[1]).status_code == 200
        variables = environment(DODONA_URL=server.url)
        tuned = subprocess.run(
            [python, "-c", TUNE], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert tuned.stdout.startswith("2 "), tuned.stderr
        assert "site-packages" in tuned.stdout
    finally:
        assert server.terminate() == 0
    with sqlite3.connect(tmp_path / "dodona.db") as database:
        assert database.execute("SELECT count(*) FROM trials").fetchone() == (2,)
