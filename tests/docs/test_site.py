"""The documentation as a site: links, the page of the API, search, both schemes of colours, versions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import patience

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=patience(200),
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_each_page_is_in_the_search(site: Path) -> None:
    found = {
        entry["location"].partition("#")[0]
        for entry in json.loads((site / "search/search_index.json").read_text())["docs"]
    }
    pages = {"" if page.stem == "index" else f"{page.stem}/" for page in (ROOT / "docs").glob("*.md")}
    assert pages <= found


def test_the_api_has_a_page_from_files_of_the_site(site: Path) -> None:
    (frame,) = re.findall(r'<iframe[^>]+src="([^"]+)"', (site / "openapi/index.html").read_text())
    page = (site / "openapi" / frame).read_text()
    assert "openapi.json" in page
    assert (site / "openapi.json").is_file()
    assert not re.findall(r'(?:src|href)="https?://', page)


def test_there_are_two_schemes_and_a_menu_of_versions(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert set(re.findall(r'data-md-color-scheme="(\w+)"', page)) == {"default", "slate"}
    assert '"provider": "mike"' in page


def test_no_page_asks_another_host(site: Path) -> None:
    for page in site.glob("*/index.html"):
        asked = re.findall(
            r'<(?:script|link rel="stylesheet"|img)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text()
        )
        assert not asked, page


def test_the_python_api_has_what_studies_inherit(site: Path) -> None:
    page = (site / "api/index.html").read_text()
    for name in ("dodona.Study.ask_batch", "dodona.Study.set_budget", "dodona.keras.CloudTuner", "dodona.near"):
        assert f'id="{name}"' in page, name
