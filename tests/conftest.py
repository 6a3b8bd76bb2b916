"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ServerProcess


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of whoever runs the tests do not reach them."""
    for name in list(os.environ):
        if name.startswith("DODONA_") and not name.startswith("DODONA_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A running server with an empty database of its own."""
    folder = tmp_path / "server"
    folder.mkdir()
    process = ServerProcess(folder).start()
    yield process
    process.stop()


@pytest.fixture
def server_url(server: ServerProcess) -> str:
    """The address of a running server with an empty database of its own."""
    return server.url
