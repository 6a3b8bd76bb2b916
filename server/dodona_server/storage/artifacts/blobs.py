"""Content of artifacts: files in a folder, or objects at any URL that fsspec knows, such as a bucket.

A blob is visible only after the database says that it exists: see `artifacts`.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import hashlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from dodona_server.domain.errors import DodonaError, FailedPrecondition, NotFound, StorageFull, TooLarge, Unavailable
from dodona_server.storage.engine.store import in_thread
from dodona_server.storage.errors import StoreUnusable

logger = logging.getLogger("dodona")

T = TypeVar("T")

THREADS = 4
# The size of a piece for a thread: with much smaller pieces the thread would cost more than the disk.
PIECE_BYTES = 2**20
# The least free space that is left on a large disk.
MIN_FREE_BYTES = 2**30
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


@dataclass(frozen=True, slots=True)
class Written:
    """Size of what was written, and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


class Blobs:
    """Files of any size, with generated names.

    Args:
        place: a folder, which is created when first needed, or a URL such as "s3://bucket/folder".
        min_free_bytes: the free space to leave on a folder's disk, since a database may need it too; None for 1 GiB, or
            a tenth of a disk that is smaller than 10 GiB.

    Raises:
        StoreUnusable: no installed package knows such a URL.
    """

    def __init__(self, place: str, min_free_bytes: int | None = None) -> None:
        # Imported here because most commands need no file system.
        import fsspec

        try:
            files, self._root = fsspec.core.url_to_fs(place)
        except (ImportError, ValueError) as error:
            # Not the URL itself: it may contain a password.
            raise StoreUnusable(f"the artifact store cannot be used: {error}") from error
        self._files: Any = files
        self._local = isinstance(files, fsspec.implementations.local.LocalFileSystem)
        self._min_free_bytes = min_free_bytes
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dodona-blob")

    async def check_room(self, size: int) -> None:
        """Check that there is room for a blob of that many bytes.

        Raises:
            StorageFull: there is none.
        """
        await self._run(functools.partial(self._check_room, size))

    async def write(self, name: str, content: AsyncIterator[bytes], limit: int) -> Written:
        """Write a new blob; when this returns, the content is durable. If it raises, nothing is left behind.

        Args:
            name: the blob's name.
            content: the content, in pieces of any size.
            limit: the maximum size in bytes.

        Raises:
            TooLarge: the content is larger.
            StorageFull: there is no room for it.
            Unavailable: the folder or the service at the URL failed.
        """
        file = await self._run(functools.partial(self._create, name))
        writer = _Writer(file, self._check_room)
        try:
            async for piece in _gathered(content):
                if writer.size + len(piece) > limit:
                    raise TooLarge(f"the content is larger than {limit} bytes, which this server allows")
                await self._run(functools.partial(writer.append, piece))
            await self._run(functools.partial(self._finish, name, file))
        except BaseException:
            await asyncio.shield(self._run(functools.partial(self._abandon, name, file)))
            raise
        return Written(writer.size, writer.digest.hexdigest())

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """Return the content of a blob in pieces; it is opened before this returns.

        Raises:
            NotFound: there is no such blob.
            Unavailable: the folder or the service at the URL failed.
        """
        return self._pieces(await self._run(functools.partial(self._open, name)))

    async def _pieces(self, file: IO[bytes]) -> AsyncIterator[bytes]:
        try:
            while piece := await self._run(functools.partial(file.read, PIECE_BYTES)):
                yield piece
        finally:
            # If the reader disconnects, this runs at once: nothing can wait for a thread then.
            file.close()

    async def remove(self, name: str) -> None:
        """Delete a blob, if it exists.

        Raises:
            Unavailable: the folder or the service at the URL failed.
        """
        await self._run(functools.partial(self._remove, name))

    def close(self) -> None:
        """Finish the running operations."""
        self._threads.shutdown(cancel_futures=True)

    def _path(self, name: str) -> str:
        # Not all in one folder: some file systems are slow with very many files.
        return f"{self._root}/{name[:2]}/{name}"

    def _check_room(self, size: int) -> None:
        if not self._local:
            return
        folder = self._root
        while not os.path.exists(folder):
            folder = os.path.dirname(folder)
        disk = shutil.disk_usage(folder)
        left = min(MIN_FREE_BYTES, disk.total // 10) if self._min_free_bytes is None else self._min_free_bytes
        if disk.free - size < left:
            raise StorageFull(
                f"the artifact store has no room left: {disk.free} bytes are free, of which {left} are reserved "
                "for the database; delete artifacts or studies"
            )

    def _create(self, name: str) -> IO[bytes]:
        path = self._path(name)
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        file: IO[bytes] = self._files.open(path, "wb")
        return file

    def _open(self, name: str) -> IO[bytes]:
        try:
            file: IO[bytes] = self._files.open(self._path(name), "rb")
        except FileNotFoundError as error:
            raise NotFound("the artifact store has lost the content of this artifact") from error
        return file

    def _finish(self, name: str, file: IO[bytes]) -> None:
        file.flush()
        if self._local:
            os.fsync(file.fileno())
        file.close()
        if self._local:
            folder = self._path(name).rpartition("/")[0]
            for entry in (folder, self._root):
                handle = os.open(entry, os.O_RDONLY)
                os.fsync(handle)
                os.close(handle)

    def _abandon(self, name: str, file: IO[bytes]) -> None:
        try:
            file.close()
        except OSError as error:
            logger.info("an abandoned file could not be closed: %s", error)
        self._remove(name)

    def _remove(self, name: str) -> None:
        try:
            self._files.rm_file(self._path(name))
        except FileNotFoundError:
            return

    async def _run(self, function: Callable[[], T]) -> T:
        return await in_thread(self._threads, functools.partial(_translated, function))


class _Writer:
    """Appends to a file while there is room, and counts the bytes."""

    def __init__(self, file: IO[bytes], check_room: Callable[[int], None]) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file = file
        self._check_room = check_room

    def append(self, piece: bytes) -> None:
        self._check_room(len(piece))
        self._file.write(piece)
        self.digest.update(piece)
        self.size += len(piece)


async def _gathered(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same content in pieces large enough for a thread."""
    gathered = bytearray()
    async for piece in content:
        gathered += piece
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _translated(function: Callable[[], T]) -> T:
    """Return what `function` returns; raise its failures as domain errors."""
    try:
        return function()
    except DodonaError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise StorageFull(f"the artifact store has no room left: {reason}") from error
        if error.errno in _FORBIDDEN:
            raise FailedPrecondition(f"the artifact store cannot be used by this server: {reason}") from error
        raise Unavailable(f"the artifact store does not answer: {reason}") from error
    except Exception as error:
        # The libraries for the URLs have their own errors.
        raise Unavailable(f"the artifact store does not answer: {type(error).__name__}: {error}") from error
