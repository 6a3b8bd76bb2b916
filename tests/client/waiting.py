"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.support.patience import patience


def wait_for(condition: Callable[[], Any]) -> Any:
    """What the condition gives once it is true.

    Raises:
        AssertionError: it never was.
    """
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("what was waited for did not come")
