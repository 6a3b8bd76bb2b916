"""Answers go out in one write each, though the framework writes their heads and their bodies one after the other.

A client that sleeps is woken by each write, and reads twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# What is larger is written at once: little is gained, and whoever sends much is to wait until it is taken.
HELD_BYTES = 4096


class JoinedWrites(asyncio.Transport):
    """A transport that holds a short write until the next one, or until the event loop has done what it is at.

    Args:
        transport: what carries the bytes.
        loop: the event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._held = b""

    def write(self, data: Any) -> None:
        """Writes the bytes, sooner or later."""
        if self._held:
            data, self._held = self._held + data, b""
        elif len(data) <= HELD_BYTES:
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def _flush(self) -> None:
        data, self._held = self._held, b""
        if data and not self._transport.is_closing():  # the client may have gone meanwhile
            self._transport.write(data)

    def close(self) -> None:
        """Closes the connection when all is written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Has the client wait with what it sends."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Takes what the client sends again."""
        self._transport.resume_reading()


class Protocol(HttpToolsProtocol):
    """The framework's HTTP protocol over joined writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins with a connection."""
        super().connection_made(JoinedWrites(transport, self.loop))
