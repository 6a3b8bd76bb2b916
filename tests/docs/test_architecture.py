"""The files that docs/architecture.md names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = {
    "S/": "server/dodona_server/",
    "C/": "client/dodona/",
    "P/": "proto_schemas/dodona_schemas/",
}
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted({name for name in re.findall(r"`([^` ]+/[^` ]*)`", PAGE) if name not in SHORT})


def test_the_page_names_its_short_forms():
    for short, folder in SHORT.items():
        assert f"`{short}` is\n`{folder}`" in PAGE or f"`{short}` is `{folder}`" in PAGE


@pytest.mark.parametrize("name", NAMED)
def test_a_named_file_is_there(name):
    for short, folder in SHORT.items():
        name = folder + name.removeprefix(short) if name.startswith(short) else name
    path = ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file()
