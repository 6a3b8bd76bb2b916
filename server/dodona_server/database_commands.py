"""`dodona db`: commands for administrators of a database."""

from __future__ import annotations

import asyncio

import typer

from dodona_server.command_line import DatabaseUrl, open_database, or_give_up, settings_of
from dodona_server.service.maintenance import clear_all
from dodona_server.storage import schema

database = typer.Typer(help="Manage the database.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@database.command()
def upgrade(database_url: DatabaseUrl = None) -> None:
    """Upgrade the schema to the revision of this version; the server also does so when it starts."""
    settings = settings_of(database_url=database_url)
    before = or_give_up(lambda: schema.current(settings.database_url))
    open_database(settings.database_url).close()
    after = or_give_up(lambda: schema.current(settings.database_url))
    typer.echo(f"{after}, unchanged" if before == after else f"{before or 'empty'} -> {after}")


@database.command()
def current(database_url: DatabaseUrl = None) -> None:
    """Print the revision of the schema."""
    settings = settings_of(database_url=database_url)
    typer.echo(or_give_up(lambda: schema.current(settings.database_url)) or "empty")


@database.command()
def check(database_url: DatabaseUrl = None) -> None:
    """Exit with 0 if the schema fits this version, otherwise with 1 and a line that says what to do."""
    settings = settings_of(database_url=database_url)
    found, wanted = or_give_up(lambda: schema.current(settings.database_url)), schema.head()
    if found != wanted:
        typer.echo(f"the schema is {found or 'empty'}, this version needs {wanted}: dodona db upgrade", err=True)
        raise typer.Exit(1)
    typer.echo(f"{found}: this version needs no other")


@database.command()
def vacuum(database_url: DatabaseUrl = None) -> None:
    """Delete the rows of deleted studies and free the space; with SQLite, stop the server first."""
    settings = settings_of(database_url=database_url)
    store = open_database(settings.database_url)
    try:
        cleared = asyncio.run(clear_all(store))
        or_give_up(lambda: schema.vacuum(settings.database_url))
    finally:
        store.close()
    typer.echo(f"cleared {cleared} deleted studies")
