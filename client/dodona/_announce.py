"""Address of a study's page, shown to a person who watches this program, but not written to a log file."""

from __future__ import annotations

import builtins
import sys

from dodona._text import line_of

_announced: set[str] = set()


def in_notebook() -> bool:
    """Return whether the output goes to a notebook's cell, and not to IPython's terminal."""
    # IPython defines the function in every shell of its own.
    shell = getattr(builtins, "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def announce(name: str, url: str) -> None:
    """Write a line with the address of a study's page, once for each, if a person watches.

    Args:
        name: the study's display name.
        url: the address.
    """
    stream = sys.stdout if in_notebook() else sys.stderr
    if url in _announced or not (in_notebook() or stream.isatty()):
        return
    _announced.add(url)
    stream.write(line_of(f"study {name}: {url}") + "\n")
