"""Tables in Markdown, and pages that contain them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is also readable as plain text."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [f"{'-' * (width - 1)}:" for width in widths]
    lines = [[cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in (head, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def placed(page: str, contents: Mapping[str, str]) -> str:
    """Return the page with each content in its place, between `<!-- NAME -->` and `<!-- end -->`.

    Raises:
        ValueError: the page has no place for a content.
    """
    for name, content in contents.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(page):
            raise ValueError(f"the page has no <!-- {name} --> ... <!-- end -->")
        page = place.sub(lambda found, content=content: f"{found[1]}{content}\n{found[2]}", page)
    return page
