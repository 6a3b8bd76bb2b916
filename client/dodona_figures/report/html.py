"""A report as one HTML file: without a script, without anything from elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from html import escape
from pathlib import Path

from dodona_figures.look import DARK, LIGHT, Look
from dodona_figures.report.report import Block, Code, Picture, Report, Section, Table, Text


def html(report: Report) -> str:
    """Return the file; all names are escaped."""
    sections = "\n".join(map(_section, report.sections))
    title = escape(report.title)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: report</title>\n<style>{_style()}</style>\n<body>\n<main>\n"
        f'<header><h1>{title}</h1>\n<p class="quiet">{escape(report.summary)}. '
        f'<a href="{escape(report.address)}">The page of the study</a></p></header>\n'
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    return f"<section>\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Code):
        return f'<pre tabindex="0"><code>{escape(block.text)}</code></pre>'
    return _figure(block)


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in table.heads)
    head = f"<thead><tr>{heads}</tr></thead>" if any(table.heads) else ""
    first = '<th scope="row">{}</th>'
    rows = "\n".join(
        "<tr>" + first.format(escape(row[0])) + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in table.rows
    )
    return f'<div class="scroll" tabindex="0"><table>{head}<tbody>\n{rows}\n</tbody></table></div>'


def _figure(picture: Picture) -> str:
    entries = "".join(f'<li class="{kind}">{escape(name)}</li>' for kind, name in picture.legend)
    legend = f'<ul class="legend">{entries}</ul>' if entries else ""
    return f'<figure tabindex="0">{legend}{picture.svg}</figure>'


@functools.cache
def _style() -> str:
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}"
    sheet = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n{dark}\n{sheet}"


def _variables(look: Look) -> str:
    colours: Mapping[str, str] = {
        "paper": look.paper,
        "ink": look.ink,
        "quiet": look.quiet,
        "rule": look.rule,
        "accent": look.accent,
        **look.states,
    }
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
