"""Archives of other workers are unpacked within limits."""

from __future__ import annotations

import zipfile

import pytest

from dodona.keras._checkpoints import unpacking
from dodona.keras._checkpoints.unpacking import open_archive


def test_what_workers_write_is_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("weights", b"w" * 100_000)
    with open_archive(str(tmp_path / "x.zip")) as archive:
        assert archive.read("weights") == b"w" * 100_000


def test_what_grows_when_it_is_unpacked_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"0" * 10_000_000)
    with pytest.raises(zipfile.BadZipFile, match="into 10000000"), open_archive(str(tmp_path / "x.zip")):
        pass


def test_too_many_entries_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_ENTRIES", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(4):
            archive.writestr(str(number), b"")
    with pytest.raises(zipfile.BadZipFile, match="4 entries"), open_archive(str(tmp_path / "x.zip")):
        pass
