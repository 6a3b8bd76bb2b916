"""Ctrl-C and SIGTERM: a worker that is asked to exit releases its trial."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_exits() -> Iterator[None]:
    """Make SIGTERM end the block by SystemExit, as Ctrl-C ends it by KeyboardInterrupt.

    By default, SIGTERM ends Python at once. A handler that the program has set stays.
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
    # A shell reports this exit code for a process that a signal ended.
    sys.exit(128 + signum)
