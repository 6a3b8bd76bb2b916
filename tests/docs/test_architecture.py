"""The files that docs/architecture.md names are there, and the tests of the threats in docs/security.md."""

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


def test_each_threat_has_an_answer_and_tests_that_are_there():
    table = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("| threat | answer | test |\n")[2]
    rows = [row.strip("|").split("|") for row in table.partition("\n\n")[0].splitlines()[1:]]
    assert len(rows) > 20
    for threat, answer, tests in rows:
        named = re.findall(r"`(tests/[^`]+)`", tests)
        assert answer.strip(), threat
        assert named, threat
        assert all((ROOT / name).is_file() for name in named), threat
