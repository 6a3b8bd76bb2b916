"""What takes long is done beside the event loop: other callers are answered meanwhile.

Python runs one thread at a time and lets another one in every few milliseconds, so the loop waits for a thread no
longer than that, times their number. Therefore there are few, and what is done there at once in C is bounded.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

T = TypeVar("T")
Arguments = ParamSpec("Arguments")

THREADS = 2
# What goes to a client at once. Calls that share the threads take turns after each.
CHUNK_BYTES = 2**18

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dodona-aside")


async def aside(function: Callable[Arguments, T], *args: Arguments.args, **kwargs: Arguments.kwargs) -> T:
    """What `function` returns, called beside the event loop."""
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


async def in_chunks(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces that are worth the way, made beside the event loop as they are asked for."""
    while chunk := await aside(_gathered, pieces):
        yield chunk


def _gathered(pieces: Iterator[bytes]) -> bytes:
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= CHUNK_BYTES:
            break
    return bytes(gathered)
