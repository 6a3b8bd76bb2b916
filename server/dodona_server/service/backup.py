"""Backup and restore: a database with its artifacts in one file, or a project of it."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dodona_server.domain.errors import DodonaError, NotFound
from dodona_server.storage.artifacts.blobs import Blobs
from dodona_server.storage.copies import dump
from dodona_server.storage.copies.archive import Archive, ArchiveWriter, Manifest, blob_member
from dodona_server.storage.engine.locks import backup_lock
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema import migrate
from dodona_server.storage.schema.opening import engine_for

logger = logging.getLogger("dodona")


@dataclass(frozen=True, slots=True)
class Place:
    """A database and the place of its artifacts.

    Args:
        url: of the database.
        artifacts: a folder or a URL; None if there is none.
    """

    url: str
    artifacts: str | None

    def blobs(self) -> Blobs:
        """Return the artifacts.

        Raises:
            StoreUnusable: there is no place for them.
        """
        if self.artifacts is None:
            raise StoreUnusable("the database has artifacts: set DODONA_ARTIFACTS or --artifacts to their place")
        return Blobs(self.artifacts)


def back_up(place: Place, path: Path, project: str | None = None) -> int:
    """Write an archive of the database and its artifacts, while servers use both; return its number of artifacts.

    Args:
        place: what to back up.
        path: the file to write.
        project: write the studies of this project only; None for all that there is.

    Raises:
        StoreUnusable: the database or the artifacts cannot be read, or the file exists or cannot be written.
    """
    engine = engine_for(place.url)
    # Before the snapshot: all content that it names then exists until the end.
    with backup_lock(engine), dump.snapshot(place.url) as transaction:
        revision = migrate.current(transaction)
        if revision is None:
            raise StoreUnusable("the database is empty")
        archive = ArchiveWriter(path, Manifest(revision, version("dodona"), time.time(), project))
        try:
            names = dump.write_tables(transaction, archive, project)
            if names:
                asyncio.run(_read_blobs(place.blobs(), archive, names))
            archive.finish()
        except OSError as error:
            archive.abandon()
            raise StoreUnusable(f"{path} cannot be written: {error.strerror}") from error
        except BaseException:
            archive.abandon()
            raise
    engine.dispose()
    return len(names)


async def _read_blobs(blobs: Blobs, archive: ArchiveWriter, names: Iterable[str]) -> None:
    try:
        for name in names:
            try:
                content = await blobs.read(name)
            except NotFound:
                logger.warning("the content %s of an artifact is missing; the backup does not contain it", name)
                continue
            with archive.member(blob_member(name), compressed=False) as file:
                async for piece in content:
                    file.write(piece)
    except DodonaError as error:
        raise StoreUnusable(str(error)) from error
    finally:
        blobs.close()


def restore(path: Path, place: Place, *, force: bool = False) -> Manifest:
    """Restore an archive into an empty database, upgrade its schema, and return the archive's manifest.

    Args:
        path: the archive.
        place: the database, which no server may use meanwhile, and where to put artifacts.
        force: whether to delete what the database contains.

    Raises:
        StoreUnusable: the archive is damaged or too new, the database is in use or not empty, or the disk is full.
    """
    archive = Archive(path)
    with archive.opened(), dump.restored(place.url, archive, force=force):
        # First the content, then the rows that name it.
        _write_blobs(archive, place, {name: name for name in archive.blobs})
    return archive.manifest


def import_project(path: Path, place: Place, project: str | None = None) -> int:
    """Add the studies of an archive to a database, and return how many.

    Args:
        path: the archive, of a project or of a whole database of either kind.
        place: the database; it is upgraded, and may have other studies.
        project: add the studies of this project only; None for all.

    Raises:
        StoreUnusable: as in `restore`; or there is a study of the same name, or none of that project in the archive.
    """
    archive = Archive(path)
    with archive.opened(), tempfile.TemporaryDirectory(prefix="dodona-import-") as folder:
        # The archive may be of an older schema: a database of its own upgrades it.
        url = f"sqlite:///{folder}/archive.db"
        with dump.restored(url, archive):
            pass
        with dump.snapshot(url) as source, dump.added(place.url) as target:
            before = dump.count(target, "studies")
            blobs = dump.copy_studies(source, target, project)
            copied = dump.count(target, "studies") - before
            if not copied:
                raise StoreUnusable(f"{path} has no study" + (f" of the project {project!r}" if project else ""))
            _write_blobs(archive, place, {name: blobs[name] for name in archive.blobs if name in blobs})
    return copied


def _write_blobs(archive: Archive, place: Place, names: Mapping[str, str]) -> None:
    """Store the archive's contents under new names."""
    if names:
        asyncio.run(_write_each(archive, place.blobs(), names))


async def _write_each(archive: Archive, blobs: Blobs, names: Mapping[str, str]) -> None:
    try:
        for name, new in names.items():
            size = archive.manifest.members[blob_member(name)].size
            await blobs.write(new, _pieces(archive, name), size)
    except DodonaError as error:
        raise StoreUnusable(str(error)) from error
    finally:
        blobs.close()


async def _pieces(archive: Archive, blob: str) -> AsyncIterator[bytes]:
    for piece in archive.pieces(blob_member(blob)):
        yield piece
