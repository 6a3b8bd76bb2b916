"""Archives of older schemas and damaged ones, and content that must stay while a backup copies it."""

from __future__ import annotations

import asyncio
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from dodona_server.domain.artifact import Artifact
from dodona_server.service.artifacts import ArtifactService
from dodona_server.service.backup import Place, back_up, import_project, restore
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.artifacts.blobs import Blobs
from dodona_server.storage.engine.locks import backup_lock
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema.opening import open_store
from tests.storage.conftest import plain_engine
from tests.storage.stored.write import load
from tests.support.patience import patience


def rows(url, query):
    engine = plain_engine(url)
    with engine.connect() as connection:
        found = connection.execute(sa.text(query)).all()
    engine.dispose()
    return found


@pytest.fixture
def old(tmp_path):
    """An archive of a database of an older schema."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = plain_engine(url)
    load(engine, "0004")
    engine.dispose()
    with pytest.raises(StoreUnusable, match="the database has artifacts: set DODONA_ARTIFACTS"):
        back_up(Place(url, None), tmp_path / "old.zip")
    # The content of its artifacts is lost.
    back_up(Place(url, str(tmp_path / "nothing")), tmp_path / "old.zip")
    return tmp_path / "old.zip"


def test_an_archive_of_an_older_schema_is_upgraded(old, empty_url):
    assert restore(old, Place(empty_url, None)).revision == "0004"
    studies = rows(empty_url, "SELECT study_id, stops_trials FROM studies ORDER BY key")
    assert (studies[0].study_id, bool(studies[0].stops_trials)) == ("s", False)
    last = max(row.key for row in rows(empty_url, "SELECT key FROM events"))
    store = open_store(empty_url)
    with store.engine.begin() as connection:
        # New rows get new keys.
        connection.execute(sa.text("INSERT INTO events (study_key, time, kind, detail) VALUES (1, 1, 'X', '')"))
    store.close()
    assert max(row.key for row in rows(empty_url, "SELECT key FROM events")) == last + 1


def test_the_studies_of_an_older_schema_are_imported(old, database_url):
    assert import_project(old, Place(database_url, None), "p") == len(rows(database_url, "SELECT key FROM studies"))
    with pytest.raises(StoreUnusable, match="has a study projects/p/locations/"):
        import_project(old, Place(database_url, None))
    with pytest.raises(StoreUnusable, match="no study of the project 'nobody'"):
        import_project(old, Place(database_url, None), "nobody")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tables/studies.jsonl", b"{}\n", "tables/studies.jsonl has another checksum"),
        ("tables/trials.jsonl", None, "no item named 'tables/trials.jsonl'"),
        ("manifest.json", b"{}", "its format is None"),
        ("manifest.json", None, "no item named 'manifest.json'"),
        ("manifest.json", ("tables/trials", "../trials"), "it may not contain '../trials.jsonl'"),
        ("manifest.json", ("0004", "9999"), "the archive's schema '9999' is newer than this version"),
    ],
)
def test_a_damaged_archive_changes_nothing(old, tmp_path, name, content, reason):
    with zipfile.ZipFile(old) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    if isinstance(content, tuple):
        content = members[name].decode().replace(*content).encode()
    members[name] = content
    with zipfile.ZipFile(old, "w") as archive:
        for member, kept in members.items():
            if kept is not None:
                archive.writestr(member, kept)
    with pytest.raises(StoreUnusable, match=reason):
        restore(old, Place(f"sqlite:///{tmp_path / 'new.db'}", None))
    assert not (tmp_path / "new.db").exists()


def test_the_content_of_deleted_artifacts_stays_while_a_backup_runs(database_url, tmp_path):
    async def content():
        yield b"weights"

    async def check():
        await blobs.write("b" * 32, content(), 100)
        await store.run(lambda t: artifacts.reserve(t, 1, Artifact(1, "weights", "b" * 32, 1), until=0.0))
        with backup_lock(store.engine):
            assert not await service.sweep()
            assert (tmp_path / "files" / "bb").joinpath("b" * 32).exists()
        await service.sweep()
        assert not (tmp_path / "files" / "bb").joinpath("b" * 32).exists()

    store = open_store(database_url)
    blobs = Blobs(str(tmp_path / "files"))
    service = ArtifactService(store, blobs, time.time, 100)
    asyncio.run(check())
    service.close()
    store.close()


def test_a_backup_of_a_file_waits_for_another_one(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")

    def begin():
        with backup_lock(store.engine):
            return "begun"

    with ThreadPoolExecutor(1) as threads:
        with backup_lock(store.engine):
            second = threads.submit(begin)
            time.sleep(0.2)
            assert not second.done()
        assert second.result(patience(30)) == "begun"
    store.close()
