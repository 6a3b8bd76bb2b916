"""Zip files of other workers, opened within limits."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator

MAX_ENTRIES = 10_000


@contextlib.contextmanager
def open_archive(path: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive that unpacks into no more bytes than it has, as workers' archives do: they are not compressed.

    Args:
        path: the archive.

    Raises:
        BadZipFile: the file is not an archive, or has too many entries or more content than bytes.
    """
    with zipfile.ZipFile(path) as archive:
        entries, size = archive.infolist(), os.path.getsize(path)
        content = sum(entry.file_size for entry in entries)
        if len(entries) > MAX_ENTRIES:
            raise zipfile.BadZipFile(f"{path} has {len(entries)} entries; at most {MAX_ENTRIES} are unpacked")
        if content > size:
            raise zipfile.BadZipFile(f"{path} has {size} bytes and would be unpacked into {content}")
        yield archive
