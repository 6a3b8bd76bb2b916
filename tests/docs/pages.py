"""The pages of the documentation and their blocks of code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language in a page, in order."""
    found = (match for match in _BLOCK.finditer(page.read_text(encoding="utf-8")) if match[2] == language)
    return [re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE) for match in found]
