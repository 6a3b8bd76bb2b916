"""The `dodona` command; it imports neither client nor server before it knows which command to run.

Each command is an entry point of the group "dodona.commands": a typer app or a function, with the extra that it
needs, and is loaded only when it is asked for.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points


def main() -> None:
    """Run the command of the command line; if its packages are missing, name the extra to install."""
    try:
        from dodona_cli._dispatch import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dodona"):
            raise
        entry = next((entry for entry in entries() if entry.name in sys.argv[1:2]), None)
        sys.exit(missing(entry, error))
    app(prog_name="dodona")


def entries() -> list[EntryPoint]:
    """Return all commands by name, including those whose packages are missing."""
    return sorted(entry_points(group="dodona.commands"), key=lambda entry: entry.name)


def missing(entry: EntryPoint | None, error: ImportError) -> str:
    """Return the message that says what to install for a command.

    Args:
        entry: the command; None for the command line itself.
        error: the import error.
    """
    name, extra = ("dodona", "cli") if entry is None else (f"dodona {entry.name}", entry.extras[0])
    return f"{name} is not fully installed ({error}): pip install 'dodona[{extra}]'"
