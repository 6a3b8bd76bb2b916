"""Many open pages of a study, without a browser: each has its stream, and asks again when it hears of a change.

They parse no page and decompress nothing, so that they take little of the core that they share with the load.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

# As figures.js does.
FIGURE_PAUSE_SECONDS = 5.0
OPENING_SECONDS = 2.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TAG = re.compile(rb"etag: *([^\r\n]+)", re.IGNORECASE)


class OpenPage:
    """One open page.

    Args:
        port: the server's, on loopback.
        path: of the page.
    """

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self.told, self.fetched = 0, 0
        self._tags: dict[str, bytes] = {}
        self._figure_at = 0.0

    async def follow(self) -> None:
        """Follow the study until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        asking = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(_request(f"{self._path}/changes", b"text/event-stream"))
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            self.told += 1
            mark = line.removeprefix(b"data: ").strip()
            await self._fetch(*asking, self._path, mark)
            if time.monotonic() > self._figure_at + FIGURE_PAUSE_SECONDS:
                self._figure_at = time.monotonic()
                await self._fetch(*asking, f"{self._path}/figures/history", mark)

    async def _fetch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, mark: bytes) -> None:
        tag = self._tags.get(path, b"-")
        writer.write(_request(path, b"*/*", b"Dodona-Mark: " + mark, b"If-None-Match: " + tag))
        head = await reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            await reader.readexactly(int(length[1]))
        if found := _TAG.search(head):
            self._tags[path] = found[1]
        self.fetched += 1


def _request(path: str, accept: bytes, *headers: bytes) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1".encode(),
        b"Host: 127.0.0.1",
        b"Accept: " + accept,
        b"Accept-Encoding: gzip",
        *headers,
    ]
    return b"\r\n".join([*lines, b"", b""])


async def watch(port: int, path: str, count: int) -> None:
    """Be `count` open pages until a line comes in; then write how often they were told and what they fetched."""
    pages = [OpenPage(port, path) for _ in range(count)]
    tasks = [asyncio.create_task(page.follow()) for page in pages]
    await asyncio.sleep(OPENING_SECONDS)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for task in tasks:
        task.cancel()
    print(json.dumps([sum(page.told for page in pages), sum(page.fetched for page in pages)]), flush=True)
