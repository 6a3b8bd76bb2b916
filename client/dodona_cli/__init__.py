"""The `dodona` command, which imports neither the client nor the server until it knows what is asked for.

Each of its commands is an entry point of the group "dodona.commands": a typer app or a function, with the extra that it
needs, and is loaded only when it is asked for.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points


def main() -> None:
    """Runs the command that the command line names; without its packages it says which extra to install."""
    try:
        from dodona_cli._dispatch import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dodona"):
            raise
        entry = next((entry for entry in entries() if entry.name in sys.argv[1:2]), None)
        sys.exit(missing(entry, error))
    app(prog_name="dodona")


def entries() -> list[EntryPoint]:
    """The commands that there are, installed whole or not, by name."""
    return sorted(entry_points(group="dodona.commands"), key=lambda entry: entry.name)


def missing(entry: EntryPoint | None, error: ImportError) -> str:
    """What to install for a command.

    Args:
        entry: the command; None for the command line itself.
        error: what its import ended with.
    """
    name, extra = ("dodona", "cli") if entry is None else (f"dodona {entry.name}", entry.extras[0])
    return f"{name} is not installed whole ({error}): pip install 'dodona[{extra}]'"
