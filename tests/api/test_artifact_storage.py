"""Where files of trials are kept, and what remains of them after a full disk, a broken upload or a killed server."""

from __future__ import annotations

import asyncio
import resource
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import httpx
import pytest

from dodona_server.app import Options, create_app
from dodona_server.domain.errors import FailedPrecondition, Unavailable
from dodona_server.storage.artifacts.blobs import Blobs
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema.opening import open_store
from tests.api.artifact_calls import CONTENT, blobs_in, digest, media, put
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient
from tests.support.patience import patience
from tests.support.processes import ServerProcess


def wait_for_another(folder: Path, before: set[Path]) -> Path:
    """The blob that was not there before."""
    while not (others := set(blobs_in(folder)) - before):
        time.sleep(0.02)
    (another,) = others
    return another


@pytest.fixture(params=["memory", "s3"])
def place(request):
    return request.getfixturevalue("bucket") if request.param == "s3" else "memory://models"


def test_any_url_of_fsspec_will_do(tmp_path, spec, place):
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    with AppClient(
        create_app(store, Options(artifacts=f"{place}/here", kept_seconds=0)), base_url="http://localhost"
    ) as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        api.suggest()
        put(api, CONTENT * 10, **{"Content-Digest": digest(CONTENT * 10)})
        assert media(api).content == CONTENT * 10
        wrong = put(api, CONTENT, code=400, **{"Content-Digest": digest(b"something else")})
        assert "Content-Digest" in wrong["error"]["message"]
        files, root = fsspec.core.url_to_fs(f"{place}/here")
        assert len(files.find(root)) == 1
        api.delete("/studies/s")
        while files.find(root):
            files.invalidate_cache()
            time.sleep(0.02)


def test_a_url_that_nothing_knows_is_one_clear_line():
    with pytest.raises(StoreUnusable, match="the artifact store cannot be used: Protocol not known: nosuch"):
        Blobs("nosuch://x")


def test_a_server_without_a_place_says_what_to_set(postgres_url, spec):
    with AppClient(create_app(open_store(postgres_url)), base_url="http://localhost") as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        api.suggest()
        error = put(api, code=400)["error"]
        assert (error["status"], "DODONA_ARTIFACTS" in error["message"]) == ("FAILED_PRECONDITION", True)
        assert api.get("/studies/s/artifacts")["artifacts"] == []


def test_sqlite_has_them_in_a_folder_beside_it(tmp_path, spec):
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    with AppClient(create_app(store), base_url="http://localhost") as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        api.suggest()
        put(api)
        assert [path.read_bytes() for path in blobs_in(tmp_path / "x.db.artifacts")] == [CONTENT]


async def _pieces(*pieces: bytes) -> Any:
    for piece in pieces:
        yield piece


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    blobs = Blobs(str(tmp_path / "file" / "below"))
    with pytest.raises((FailedPrecondition, Unavailable), match="the artifact store"):
        asyncio.run(blobs.write("ab", _pieces(b"x"), 10))
    blobs.close()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("artifacts")
    process = ServerProcess(folder, DODONA_TOKEN="a long random secret", DODONA_ARTIFACTS=str(folder / "kept")).start()
    yield process
    process.stop()


@pytest.mark.processes
class TestProcess:
    """A server of its own, with its token and its limits."""

    @pytest.fixture
    def client(self, process: ServerProcess, spec: dict[str, Any]) -> Iterator[httpx.Client]:
        """Below a new trial's artifacts."""
        with httpx.Client(headers={"Authorization": "Bearer a long random secret"}, timeout=patience(120)) as client:
            base = f"{process.url}{HERE}/studies"
            made = client.post(base, json={"studyId": uuid.uuid4().hex, "studySpec": spec}).raise_for_status().json()
            path = f"{process.url}/v1/{made['name']}/trials"
            client.post(f"{path}:suggest", json={"clientId": "w", "suggestionCount": 1}).raise_for_status()
            client.base_url = httpx.URL(f"{path}/1/artifacts/")
            yield client

    def test_a_full_disk_is_told_and_nothing_is_left_half_written(self, process, client):
        client.put("a", content=b"before").raise_for_status()
        kept = set(blobs_in(process.folder / "kept"))
        pid = process.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE, (2 * 2**20, resource.RLIM_INFINITY))
        refused = client.put("a", content=b"x" * (4 * 2**20))
        assert (refused.status_code, refused.json()["error"]["status"]) == (507, "RESOURCE_EXHAUSTED")
        assert "has no room left" in refused.json()["error"]["message"]
        assert client.get("a?alt=media").content == b"before"
        assert set(blobs_in(process.folder / "kept")) <= kept
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        client.put("a", content=b"x" * (4 * 2**20)).raise_for_status()

    def test_no_file_is_ever_in_memory_whole(self, process, client):
        megabytes = 96

        def peak() -> int:
            status = Path(f"/proc/{process.process.pid}/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0]) // 1024

        client.put("a", content=b"x").raise_for_status()
        before = peak()
        client.put("a", content=(b"x" * 2**20 for _ in range(megabytes))).raise_for_status()
        received = 0
        with client.stream("GET", "a?alt=media") as response:
            for piece in response.iter_raw():
                received += len(piece)
        assert received == megabytes * 2**20
        assert peak() - before < megabytes / 2

    def test_content_that_breaks_off_is_never_seen(self, process, client):
        client.put("a", content=b"before").raise_for_status()
        before = set(blobs_in(process.folder / "kept"))
        begun = []

        def broken() -> Iterator[bytes]:
            yield b"x" * (3 * 2**20)
            # The server has some of it on the disk, and nothing of it to show.
            begun.append(wait_for_another(process.folder / "kept", before))
            assert httpx.get(f"{client.base_url}a?alt=media", headers=client.headers).content == b"before"
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            client.put("a", content=broken())
        while begun[0].exists():
            time.sleep(0.02)
        assert client.get("a?alt=media").content == b"before"

    def test_an_upload_that_was_overtaken_changes_nothing(self, process, client):
        """As when a request is sent again, and the first one was only slow."""
        before = set(blobs_in(process.folder / "kept"))

        def slow() -> Iterator[bytes]:
            yield b"x" * (3 * 2**20)
            begun.append(wait_for_another(process.folder / "kept", before))
            newer.append(httpx.put(f"{client.base_url}a", content=b"newer", headers=client.headers).json())
            yield b"older"

        newer: list[dict[str, Any]] = []
        begun: list[Path] = []
        assert client.put("a", content=slow()).raise_for_status().json() == newer[0]
        assert client.get("a?alt=media").content == b"newer"
        while begun[0].exists():
            time.sleep(0.02)

    def test_a_kill_amid_an_upload_leaves_what_was_there(self, process, client):
        saved = client.put("a", content=CONTENT).raise_for_status().json()

        def killing() -> Iterator[bytes]:
            yield b"x" * (2 * 2**20)
            process.kill()
            yield b"x" * (8 * 2**20)

        with pytest.raises(httpx.TransportError):
            client.put("a", content=killing())
        process.start()
        assert client.get("a").json() == saved
        assert client.get("a?alt=media").content == CONTENT

    def test_the_token_is_asked_for(self, client):
        client.headers.pop("Authorization")
        for method in ("PUT", "GET", "DELETE"):
            assert client.request(method, "a").status_code == 401
