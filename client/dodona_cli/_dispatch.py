"""The commands, loaded on demand."""

from __future__ import annotations

import gc
from typing import Any, NoReturn

import typer
from rich.markup import escape
from typer.core import TyperGroup

from dodona_cli import entries, missing


class Commands(TyperGroup):
    """The entry points as subcommands; a command whose packages are missing says what to install."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Return the names of all commands."""
        return [entry.name for entry in entries()]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        """Return the command of that name; None if there is none."""
        entry = next((entry for entry in entries() if entry.name == cmd_name), None)
        if entry is None:
            return None
        # Imports create no garbage: collecting it would take a tenth of the server's start.
        gc.disable()
        try:
            loaded = entry.load()
        except ImportError as error:
            if (error.name or "").startswith("dodona"):
                raise
            loaded = _placeholder(missing(entry, error))
        finally:
            gc.freeze()
            gc.enable()
        if not isinstance(loaded, typer.Typer):
            function, loaded = loaded, typer.Typer(add_completion=False)
            loaded.command()(function)
        command = typer.main.get_command(loaded)
        command.name = cmd_name
        return command


def _placeholder(message: str) -> typer.Typer:
    app = typer.Typer(add_completion=False)

    @app.command(
        help=escape(message),
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    )
    def _say() -> NoReturn:
        typer.echo(message, err=True)
        raise typer.Exit(1)

    return app


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Dodona, a self-hosted hyperparameter tuning service."""
