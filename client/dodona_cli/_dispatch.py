"""Commands, loaded on demand."""

from __future__ import annotations

import gc
from difflib import get_close_matches
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from dodona_cli import entries, missing


class Commands(TyperGroup):
    """Entry points as subcommands; a command whose packages are missing says what to install."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Return the names of all commands."""
        return [entry.name for entry in entries()]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return the command of that name."""
        known = {entry.name: entry for entry in entries()}
        if cmd_name not in known:
            near = "".join(f"; did you mean '{name}'?" for name in get_close_matches(cmd_name, known, 1))
            ctx.fail(f"there is no command '{cmd_name}'{near}")
        entry = known[cmd_name]
        # Imports create no garbage: collecting it would take a tenth of the server's start.
        gc.disable()
        try:
            loaded = entry.load()
        except ImportError as error:
            if (error.name or "").startswith("dodona"):
                raise
            loaded = _placeholder(missing(entry, error), entry.extras[0])
        finally:
            gc.freeze()
            gc.enable()
        if not isinstance(loaded, typer.Typer):
            function, loaded = loaded, typer.Typer(add_completion=False, rich_markup_mode=None)
            loaded.command()(function)
        command = typer.main.get_command(loaded)
        command.name = cmd_name
        return command


def _placeholder(message: str, extra: str) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command(
        help=message,
        short_help=f"Not installed: pip install 'dodona[{extra}]'",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    )
    def _say() -> NoReturn:
        typer.echo(message, err=True)
        raise typer.Exit(1)

    return app


# Without rich's markup: it takes "[default: 8080]" for a style, and frames every line.
app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
)


def print_version() -> None:
    """Print the version."""
    typer.echo(f"dodona {version('dodona')}")


def _print_version_and_exit(wanted: bool) -> None:
    if wanted:
        print_version()
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version_and_exit, is_eager=True, help="Print the version and exit"),
    ] = False,
) -> None:
    """Dodona, a self-hosted hyperparameter tuning service."""
