"""`pytest --unit`: only tests that need no Keras and no second process; both are then forbidden.

A test is excluded by what it requests: a fixture that starts a process, PostgreSQL, or a marker.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest

_FIXTURES = {"server", "server_url", "bucket"}
_MARKERS = ("processes", "slow")
_STARTING = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
_KERAS = {"keras", "keras_tuner", "tensorflow", "jax", "torch"}


def chosen(items: Iterable[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that stay, and the others."""
    stay: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        (others if _starts_processes(item) else stay).append(item)
    return stay, others


def _starts_processes(item: pytest.Item) -> bool:
    needs = set(getattr(item, "fixturenames", ()))
    postgres = "postgresql" in item.name or any("postgres" in name for name in needs)
    return bool(needs & _FIXTURES) or postgres or any(map(item.get_closest_marker, _MARKERS))


def forbid() -> None:
    """Forbid this process to start others and to import Keras; this cannot be undone."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTING:
        raise RuntimeError(f"--unit: this test starts a process ({event}); mark it with pytest.mark.processes")
    if event == "import" and arguments[0] in _KERAS:
        raise RuntimeError(f"--unit: this test imports {arguments[0]}; it belongs into tests/keras")
