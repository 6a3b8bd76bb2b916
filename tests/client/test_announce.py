"""The address of a study's page, for people who watch."""

from __future__ import annotations

import io
import sys

import pytest

from dodona import _announce
from dodona._announce import announce

URL = "http://localhost:8080/studies/p/l/s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _nothing_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_announce, "_announced", set())


def test_a_terminal_shows_each_address_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    announce("my\x1b[2J study", URL)
    announce("my study", URL)
    announce("another", URL + "2")
    first, second = terminal.getvalue().splitlines()
    assert first.endswith(f"study: {URL}")
    assert "\x1b" not in first
    assert second == f"study another: {URL}2"


def test_a_log_file_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    announce("my study", URL)
    assert log.getvalue() == ""
