"""A report as Markdown, with tables instead of figures."""

from __future__ import annotations

import re

from dodona_figures.report.report import Block, Picture, Report, Table, Text

# What Markdown or the HTML in it would take for markup.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&]|(?<!\w)[-.](?=\s))")


def markdown(report: Report) -> str:
    """Return the text; all names are escaped."""
    parts = [
        f"# {_plain(report.title)}",
        f"{_plain(report.summary)}. [The page of the study](<{_address(report.address)}>)",
    ]
    for section in report.sections:
        blocks = [text for block in section.blocks if (text := _block(block))]
        if blocks:
            parts += [f"## {section.title}", *blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return ""
    # A fence longer than any in the code.
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", block.text)), default=0))
    return f"{fence}python\n{block.text}\n{fence}"


def _table(table: Table) -> str:
    rows = [table.heads, ["---"] * len(table.heads), *table.rows]
    return "\n".join(
        "| " + " | ".join(cell if index == 1 else _plain(cell) for cell in row) + " |" for index, row in enumerate(rows)
    )


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _address(address: str) -> str:
    return address.replace("<", "%3C").replace(">", "%3E")
