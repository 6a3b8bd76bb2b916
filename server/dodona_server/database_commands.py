"""`dodona db`: commands for administrators of a database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dodona_server.access_commands import note_command
from dodona_server.command_line import DatabaseUrl, open_database, or_give_up, settings_of
from dodona_server.service import backup as backups
from dodona_server.service.backup import Place
from dodona_server.service.maintenance import clear_all
from dodona_server.storage.schema import administration as schema
from dodona_server.storage.schema.opening import artifacts_beside

database = typer.Typer(help="Manage the database.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)

ArchiveFile = Annotated[Path, typer.Argument(help="The archive", metavar="FILE")]
Artifacts = Annotated[
    str | None, typer.Option(help="The place of the artifacts, as of `dodona serve` [default: beside an SQLite file]")
]
Project = Annotated[str | None, typer.Option(help="The project [default: all projects]")]


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
    note_command(settings.database_url, "vacuum", f"{cleared} deleted studies")
    typer.echo(f"cleared {cleared} deleted studies")


@database.command()
def backup(file: ArchiveFile, database_url: DatabaseUrl = None, artifacts: Artifacts = None) -> None:
    """Write the database and its artifacts to a new archive; servers may run meanwhile."""
    place = _place(database_url, artifacts)
    count = or_give_up(lambda: backups.back_up(place, file))
    typer.echo(f"{file}: {file.stat().st_size} bytes, with {count} artifacts")


@database.command()
def restore(
    file: ArchiveFile,
    database_url: DatabaseUrl = None,
    artifacts: Artifacts = None,
    force: Annotated[bool, typer.Option("--force", help="Delete what the database contains")] = False,
) -> None:
    """Restore an archive of `backup` into an empty database; stop its servers first."""
    place = _place(database_url, artifacts)
    manifest = or_give_up(lambda: backups.restore(file, place, force=force))
    note_command(place.url, "restore", file.name)
    then = datetime.fromtimestamp(manifest.create_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    typer.echo(f"restored the database of {then}; schema {manifest.revision} -> {schema.head()}")


@database.command("export")
def export_project(
    file: ArchiveFile,
    project: Annotated[str, typer.Option(help="The project")],
    database_url: DatabaseUrl = None,
    artifacts: Artifacts = None,
) -> None:
    """Write the studies of one project with their artifacts to a new archive, for `import`."""
    place = _place(database_url, artifacts)
    count = or_give_up(lambda: backups.back_up(place, file, project))
    typer.echo(f"{file}: {file.stat().st_size} bytes, with {count} artifacts")


@database.command("import")
def import_project(
    file: ArchiveFile, project: Project = None, database_url: DatabaseUrl = None, artifacts: Artifacts = None
) -> None:
    """Add the studies of an archive to a database of either kind; with SQLite, stop the server first."""
    place = _place(database_url, artifacts)
    count = or_give_up(lambda: backups.import_project(file, place, project))
    note_command(place.url, "import", f"{count} studies from {file.name}")
    typer.echo(f"imported {count} studies")


def _place(database_url: str | None, artifacts: str | None) -> Place:
    settings = settings_of(database_url=database_url, artifacts=artifacts)
    url = settings.database_url
    return Place(url, settings.artifacts or or_give_up(lambda: artifacts_beside(url)))
