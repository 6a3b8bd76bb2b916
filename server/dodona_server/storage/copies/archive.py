"""Archives: a zip file with the rows of tables, the content of artifacts, and a manifest with a checksum of each.

An archive does not depend on the kind of database. The manifest names the schema's revision that its rows have.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from dodona_server.storage.errors import StoreUnusable

MANIFEST = "manifest.json"
FORMAT = "dodona-archive-1"
PIECE_BYTES = 2**20
# No other names are taken from an archive.
_NAMES = re.compile(r"tables/[a-z_]+\.jsonl|artifacts/[0-9a-f]{32}")


@dataclass(frozen=True)
class Member:
    """A file of the archive: its size in bytes, and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Content of an archive.

    Args:
        revision: of the schema.
        dodona: the version that wrote it.
        create_time: when, in seconds since the epoch.
        project: the only project in it; None if it is a whole database.
        members: its files.
        format: of the archive.
    """

    revision: str
    dodona: str
    create_time: float
    project: str | None
    members: dict[str, Member] = field(default_factory=dict)
    format: str = FORMAT


class ArchiveWriter:
    """A new archive, which appears under its name only when it is whole.

    Args:
        path: the file.
        manifest: its manifest, without members.

    Raises:
        StoreUnusable: the file exists already, or it cannot be written.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        if path.exists():
            raise StoreUnusable(f"{path} exists already; choose another file")
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._manifest = manifest
        try:
            self._zip = zipfile.ZipFile(self._part, "w")
        except OSError as error:
            raise StoreUnusable(f"{path} cannot be written: {error.strerror}") from error

    @contextmanager
    def member(self, name: str, *, compressed: bool = True) -> Iterator[_Hashing]:
        """Yield an object that writes the content of a new file of the archive."""
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with self._zip.open(info, "w", force_zip64=True) as file:
            hashing = _Hashing(file)
            yield hashing
        self._manifest.members[name] = Member(hashing.size, hashing.digest.hexdigest())

    def finish(self) -> None:
        """Write the manifest, and give the file its name once it is on disk."""
        self._zip.writestr(MANIFEST, json.dumps(asdict(self._manifest), indent=1))
        self._zip.close()
        with self._part.open("rb+") as file:
            os.fsync(file.fileno())
        self._part.rename(self._path)

    def abandon(self) -> None:
        """Delete what was written."""
        self._part.unlink(missing_ok=True)


class _Hashing:
    """Writes to a file, counts the bytes and hashes them."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file = file

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self.digest.update(content)
        self.size += len(content)


class Archive:
    """An archive that was written before; all of its files have been compared with their checksums.

    Args:
        path: the file.

    Raises:
        StoreUnusable: it cannot be read, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest = _read_manifest(self._zip.read(MANIFEST))
            for name, member in self.manifest.members.items():
                self._check(name, member)
        except OSError as error:
            raise StoreUnusable(f"{path} cannot be read: {error.strerror}") from error
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
            raise StoreUnusable(f"{path} is not an archive of `dodona db backup`, or it is damaged: {error}") from error

    def _check(self, name: str, member: Member) -> None:
        if not _NAMES.fullmatch(name):
            raise ValueError(f"it may not contain {name!r}")
        digest, size = hashlib.sha256(), 0
        for piece in self.pieces(name):
            digest.update(piece)
            size += len(piece)
        if (size, digest.hexdigest()) != (member.size, member.sha256):
            raise ValueError(f"the content of {name} has another checksum than the manifest says")

    @property
    def tables(self) -> list[str]:
        """Names of the tables, in the order in which they were written."""
        return [Path(name).stem for name in self.manifest.members if name.startswith("tables/")]

    @property
    def blobs(self) -> set[str]:
        """Names of the artifacts' contents."""
        return {name.partition("/")[2] for name in self.manifest.members if name.startswith("artifacts/")}

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table."""
        with self._zip.open(table_member(table)) as lines:
            for line in lines:
                yield json.loads(line)

    def pieces(self, name: str) -> Iterable[bytes]:
        """Yield the content of a file of the archive."""
        with self._zip.open(name) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def opened(self) -> zipfile.ZipFile:
        """Return a context that closes the file."""
        return self._zip


def table_member(table: str) -> str:
    """Return the name of the file with a table's rows."""
    return f"tables/{table}.jsonl"


def blob_member(blob: str) -> str:
    """Return the name of the file with an artifact's content."""
    return f"artifacts/{blob}"


def _read_manifest(content: bytes) -> Manifest:
    values = json.loads(content)
    if values.get("format") != FORMAT:
        raise ValueError(f"its format is {values.get('format')!r}, this version reads {FORMAT!r}")
    members = {name: Member(**member) for name, member in values.pop("members").items()}
    return Manifest(**values, members=members)
