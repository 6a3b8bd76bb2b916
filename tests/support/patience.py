"""Time-outs of tests: seconds on a quiet machine, proportionally more on a slower one.

DODONA_TEST_SLOWNESS sets the factor; otherwise it is measured at the start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

# The time to start such a process on a machine that does nothing else.
_START = [sys.executable, "-c", "import asyncio, json, sqlite3"]
_START_SECONDS = 0.15


def _slowness() -> float:
    if told := os.environ.get("DODONA_TEST_SLOWNESS"):
        return float(told)
    began = time.perf_counter()
    subprocess.run(_START, check=True)
    # Other work may begin later. A larger time-out costs nothing unless a test fails.
    return 3.0 * max(1.0, (time.perf_counter() - began) / _START_SECONDS)


SLOWNESS = _slowness()


def patience(seconds: float) -> float:
    """Return a time-out in seconds for work that takes at most `seconds` on a quiet machine."""
    return seconds * SLOWNESS
