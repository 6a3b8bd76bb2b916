"""The `dodona` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Runs the command; without the server's packages it says which extra to install."""
    # Nothing of what is imported is garbage: looking for it would be a tenth of the start.
    gc.disable()
    try:
        from dodona_server.commands import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dodona_server."):
            raise
        sys.exit(f"dodona: the server is not installed ({error.name} is missing): pip install 'dodona[server]'")
    gc.freeze()
    gc.enable()
    app()
