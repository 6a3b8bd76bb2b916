"""Common parts of the server's commands: settings, and errors as one line on stderr."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from dodona_server.settings import Settings
from dodona_server.storage.engine.store import Store
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema.opening import open_store

T = TypeVar("T")
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE [default: sqlite:///dodona.db]"),
]


def settings_of(**flags: Any) -> Settings:
    """Return the settings with the flags that are not None; end the command if one is wrong.

    From then on, files that the command creates, such as the database and artifacts, are readable by its user only.
    """
    os.umask(0o077)
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except SettingsError as error:
        # A map that is not JSON; the text names the field and not its value.
        give_up(str(error))
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            give_up(first["msg"].removeprefix("Value error, "))
        name = str(first["loc"][0])
        if name in ("token", "secret"):  # never shown, not even a wrong one
            give_up(f"DODONA_{name.upper()}: {first['msg'].removeprefix('Value error, ')}")
        give_up(f"--{name.replace('_', '-')} (DODONA_{name.upper()}): {first['input']!r}: {first['msg']}")


def open_database(url: str) -> Store:
    """Return the store at `url`; end the command if it cannot be used."""
    return or_give_up(lambda: open_store(url))


def or_give_up(ask: Callable[[], T]) -> T:
    """Return what `ask` returns; end the command if a database or a file cannot be used."""
    try:
        return ask()
    except StoreUnusable as error:
        give_up(str(error))


def give_up(reason: str, code: int = 2) -> NoReturn:
    """End the command with one line on stderr and an exit code."""
    typer.echo(f"dodona: {reason}", err=True)
    raise typer.Exit(code)
