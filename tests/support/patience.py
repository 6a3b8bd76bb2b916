"""How long a test waits for what must come: seconds of a quiet machine, and as many times more on a slower one.

DODONA_TEST_SLOWNESS says how many times, if what is measured at the start is not to count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

# Starting such a process takes so long on a machine that does nothing else.
_START = [sys.executable, "-c", "import asyncio, json, sqlite3"]
_START_SECONDS = 0.15


def _slowness() -> float:
    if told := os.environ.get("DODONA_TEST_SLOWNESS"):
        return float(told)
    began = time.perf_counter()
    subprocess.run(_START, check=True)
    # Other work may begin later: nobody waits in vain for long only because a test fails.
    return 3.0 * max(1.0, (time.perf_counter() - began) / _START_SECONDS)


SLOWNESS = _slowness()


def patience(seconds: float) -> float:
    """A time-out in seconds for what takes at most `seconds` where nothing else runs."""
    return seconds * SLOWNESS
