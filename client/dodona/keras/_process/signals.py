"""A worker that is told to leave, by Ctrl-C or by SIGTERM, hands its trial back."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_leaves() -> Iterator[None]:
    """Makes SIGTERM end the block by SystemExit, as Ctrl-C ends it by KeyboardInterrupt.

    Python's own answer to it is to be gone at once. A handler that the program has set is left alone.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(signum: int, _frame: FrameType | None) -> None:
    # The exit code of a process that a signal ended.
    sys.exit(128 + signum)
