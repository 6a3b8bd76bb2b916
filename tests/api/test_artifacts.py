"""Files of trials: sent and fetched whole or not at all, by the attempt that has the trial, and removed in time."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dodona_server.app import Options, create_app
from dodona_server.domain.artifact import Artifact
from dodona_server.domain.errors import StorageFull
from dodona_server.service.artifacts import MAX_ARTIFACTS
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.artifacts.blobs import Blobs
from dodona_server.storage.engine.store import Store
from dodona_server.storage.schema.opening import open_store
from tests.api.artifact_calls import CONTENT, FILE, TRIAL, blobs_in, digest, media, put
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient

LIMIT = 3 * 2**20


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, but for what SQL decides: the rest is files and HTTP."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store(database_url: str) -> Store:
    return open_store(database_url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def api(store: Store, folder: Path) -> Iterator[Api]:
    """The server with a folder for artifacts and a small limit."""
    app = create_app(store, Options(artifacts=str(folder), max_artifact_bytes=LIMIT))
    with AppClient(app, base_url="http://localhost") as client:
        yield Api(client)


@pytest.fixture
def trial(api: Api, study: str) -> str:
    """The path of a trial that the worker "w" runs."""
    (handed,) = api.suggest(leaseDuration="60s", heldTrials=[])
    return f"{study}/trials/{handed['id']}"


def wait_until_removed(folder: Path, left: int) -> None:
    """Maintenance looks once a second; however long it takes, the test's own time is up before it has failed."""
    while len(blobs_in(folder)) > left:
        time.sleep(0.02)
    assert len(blobs_in(folder)) == left


def test_what_was_sent_comes_back(api, trial):
    saved = put(api, content_digest="", **{"Content-Digest": digest(CONTENT)})
    assert saved["name"] == f"projects/p/locations/l{FILE}"
    assert (saved["sizeBytes"], saved["attempt"]) == (str(len(CONTENT)), 1)
    assert saved["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert api.get(FILE) == saved
    answer = media(api)
    assert answer.content == CONTENT
    assert answer.headers["content-digest"] == digest(CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "application/octet-stream"


def test_an_empty_file_is_a_file(api, trial):
    assert put(api, b"")["sizeBytes"] == "0"
    assert media(api).content == b""


@on_both
def test_sent_again_it_replaces_the_earlier_one(api, trial, folder):
    put(api)
    put(api, b"better")
    assert media(api).content == b"better"
    assert [one["sizeBytes"] for one in api.get(f"{TRIAL}/artifacts")["artifacts"]] == ["6"]
    wait_until_removed(folder, left=1)
    assert media(api).content == b"better"


def test_a_file_beyond_the_limit_is_refused(api, trial, folder):
    large = b"x" * (LIMIT + 1)
    for content in (large, iter([large[:LIMIT], large[LIMIT:]])):
        error = put(api, content, code=413)["error"]
        assert error["status"] == "INVALID_ARGUMENT"
        assert str(LIMIT) in error["message"]
    api.get(FILE, code=404)
    assert blobs_in(folder) == []
    assert put(api, large[:LIMIT])["sizeBytes"] == str(LIMIT)


def test_other_content_than_the_digest_says_is_refused(api, trial, folder):
    put(api, b"before")
    error = put(api, code=400, **{"Content-Digest": digest(b"something else")})["error"]
    assert "Content-Digest: the content's SHA-256 is" in error["message"]
    assert media(api).content == b"before"
    assert len(blobs_in(folder)) == 1
    for header in ("sha-256=:AAAA:", "md5=:AAAA:", "nonsense"):
        assert "write it as in" in put(api, code=400, **{"Content-Digest": header})["error"]["message"]


@on_both
def test_only_who_has_the_trial_may_change_its_files(api, trial):
    put(api, b"first", path=f"{FILE}?attempt=1")
    api.post(f"{trial}:release", {"attempt": 1})
    # Nobody has it yet.
    put(api, b"late", path=f"{FILE}?attempt=1")
    (handed,) = api.suggest(client="other", leaseDuration="60s", heldTrials=[])
    assert handed["attempt"] == 2
    for method in ("PUT", "DELETE"):
        refused = api.client.request(method, f"{HERE}{FILE}?attempt=1")
        assert (refused.status_code, refused.json()["error"]["status"]) == (409, "ABORTED")
        assert "attempt 1 of projects/p/locations/l/studies/s/trials/1 was lost" in refused.json()["error"]["message"]
    assert media(api).content == b"late"
    put(api, b"second", path=f"{FILE}?attempt=2")
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}, "attempt": 2}
    api.post(f"{trial}:complete", final)
    # The result stands; its weights may follow.
    assert put(api, b"third", path=f"{FILE}?attempt=2")["attempt"] == 2


def test_a_name_is_a_name_and_no_path(api, trial, folder):
    for name in (
        "..",
        ".",
        "..%2f..%2fetc%2fpasswd",
        "a%2fb",
        "a b",
        "a%00b",
        "x" * 101,
        "a:b",
        "%c3%a9",
        "http:%2f%2f10.0.0.1%2fx",
    ):
        refused = api.client.put(f"{HERE}{TRIAL}/artifacts/{name}", content=b"x")
        assert refused.status_code in (400, 404, 405), refused.text
    assert not folder.exists()


def test_what_is_not_there_is_not_found(api, trial):
    for path in ("/studies/s/trials/2", "/studies/other/trials/1", "/studies/s/trials/x"):
        put(api, path=f"{path}/artifacts/a", code=404)
        api.get(f"{path}/artifacts", code=404)
        api.get(f"{path}/artifacts/a", code=404)
        api.delete(f"{path}/artifacts/a", code=404)
    assert "model.h5 does not exist" in api.get(FILE, code=404)["error"]["message"]
    api.get("/studies/other/artifacts", code=404)
    assert api.get("/studies/s/artifacts") == {"artifacts": [], "nextPageToken": ""}


@on_both
def test_all_files_of_a_study_come_in_pages(api, study):
    expected = []
    for handed in api.suggest(count=3):
        for name in ("a", "b.h5"):
            put(api, b"x", path=f"{study}/trials/{handed['id']}/artifacts/{name}")
            expected.append(f"projects/p/locations/l{study}/trials/{handed['id']}/artifacts/{name}")
    listed, token = [], ""
    while page := api.get(f"{study}/artifacts?pageSize=2&pageToken={token}"):
        listed += [one["name"] for one in page["artifacts"]]
        token = page["nextPageToken"]
        if not token:
            break
    assert listed == expected
    assert [one["name"] for one in api.get(f"{study}/artifacts")["artifacts"]] == expected
    api.get(f"{study}/artifacts?pageToken=nonsense", code=400)


def test_a_trial_has_so_many_files_and_no_more(api, trial):
    for number in range(MAX_ARTIFACTS):
        put(api, b"x", path=f"{TRIAL}/artifacts/{number}")
    assert f"{MAX_ARTIFACTS} artifacts" in put(api, b"x", code=400)["error"]["message"]
    put(api, b"y", path=f"{TRIAL}/artifacts/7")


def pieces(megabytes: int) -> Iterator[bytes]:
    """A content whose size is not announced."""
    yield from (bytes(2**20) for _ in range(megabytes))


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@pytest.mark.parametrize(
    ("left", "sent"),
    [
        (lambda now: 2 * now, b"x"),
        (lambda now: now - 2**26, bytes(2**27)),
        (lambda now: now - 2**26, pieces(256)),
    ],
    ids=["nothing fits", "announced to be too large", "too large as it comes"],
)
def test_files_leave_the_room_that_the_database_needs(store, folder, spec, tmp_path, left, sent):
    options = Options(artifacts=str(folder), min_free_bytes=left(free(tmp_path)))
    with AppClient(create_app(store, options), base_url="http://localhost") as client:
        api = Api(client)
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        api.suggest()
        error = put(api, sent, 507)["error"]
        assert error["status"] == "RESOURCE_EXHAUSTED"
        assert "are reserved for the database" in error["message"]
        assert api.get(f"{TRIAL}/artifacts")["artifacts"] == []
        assert blobs_in(folder) == []
        # The trial loop goes on.
        measurement = {"metrics": [{"metricId": "loss", "value": 1.0}]}
        api.post(f"{TRIAL}:addTrialMeasurement", {"measurement": measurement})
        assert api.post(f"{TRIAL}:complete")["state"] == "SUCCEEDED"


def test_a_small_disk_keeps_a_tenth_free_by_default(folder):
    folder.mkdir()
    blobs = Blobs(str(folder))
    disk = shutil.disk_usage(folder)
    asyncio.run(blobs.check_room(0))
    with pytest.raises(StorageFull, match=f"of which {min(2**30, disk.total // 10)} are reserved"):
        asyncio.run(blobs.check_room(disk.total))


def test_deleted_files_leave_the_disk(api, trial, folder):
    put(api, path=f"{TRIAL}/artifacts/a")
    put(api, path=f"{TRIAL}/artifacts/b")
    api.delete(f"{TRIAL}/artifacts/a?requestId=r1")
    api.delete(f"{TRIAL}/artifacts/a?requestId=r1")
    api.delete(f"{TRIAL}/artifacts/a", code=404)
    wait_until_removed(folder, left=1)
    api.delete(TRIAL)
    wait_until_removed(folder, left=0)


@on_both
def test_a_deleted_study_leaves_nothing_on_the_disk(api, study, spec, folder):
    for handed in api.suggest(count=3):
        put(api, path=f"{study}/trials/{handed['id']}/artifacts/a")
    api.post("/studies", {"studyId": "t", "studySpec": spec})
    api.suggest("t")
    put(api, path="/studies/t/trials/1/artifacts/a")
    api.delete(study)
    (deleted,) = api.get("/deletedStudies")["deletedStudies"]
    api.delete(f"/deletedStudies/{deleted['name'].rpartition('/')[2]}")
    wait_until_removed(folder, left=1)
    assert media(api, "/studies/t/trials/1/artifacts/a").content == CONTENT


def test_what_an_upload_left_behind_is_removed_after_its_time(api, trial, store, folder):
    def forgotten(transaction: Any) -> Any:
        return artifacts.reserve(transaction, 1, Artifact(1, "model.h5", "ab12", 1), until=1.0)

    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "ab12").write_bytes(b"half of")
    api.client.portal.call(store.run, forgotten)
    wait_until_removed(folder, left=0)


def test_content_that_somebody_removed_is_not_found(api, trial, folder):
    put(api)
    blobs_in(folder)[0].unlink()
    assert "has lost the content" in media(api).json()["error"]["message"]
    assert media(api).status_code == 404
