"""Work beside the event loop: long work runs in threads, so that other callers are answered meanwhile.

Python runs one thread at a time and switches every few milliseconds. So the loop waits for each busy thread at most
that long. Therefore there are few threads, and each single operation in C is bounded.
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
# The size of a piece for a client. Calls that share the threads take turns after each.
CHUNK_BYTES = 2**18

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dodona-aside")


async def aside(function: Callable[Arguments, T], *args: Arguments.args, **kwargs: Arguments.kwargs) -> T:
    """Return what `function` returns, called beside the event loop."""
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


async def in_chunks(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in larger pieces, each read beside the event loop on demand."""
    while chunk := await aside(_gathered, pieces):
        yield chunk


def _gathered(pieces: Iterator[bytes]) -> bytes:
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= CHUNK_BYTES:
            break
    return bytes(gathered)
