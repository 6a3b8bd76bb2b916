"""Commands of `dodona studies` about deleted studies."""

from __future__ import annotations

from typing import Annotated

import typer

from dodona.commands._calls import AsJson, Name, Project, Token, Url, Yes, confirm, connected
from dodona.commands._print import age, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the commands to `dodona studies`."""
    app.command(epilog="Example: dodona studies deleted")(deleted)
    app.command(epilog="Example: dodona studies undelete digits")(undelete)
    app.command(epilog="Example: dodona studies purge digits --yes")(purge)


def deleted(url: Url = None, token: Token = None, project: Project = None, as_json: AsJson = False) -> None:
    """List the deleted studies that can be restored, the last deleted first."""
    with connected(url, token, project) as client:
        found = client.deleted_studies()
        if as_json:
            print_json(found)
            return
        rows = [
            {
                "deleted": one.id,
                "study": one.study_id,
                "name": "" if one.display_name == one.study_id else one.display_name,
                "trials": str(one.trial_count),
                "age": age(one.delete_time),
            }
            for one in found
        ]
        print_table(rows, ["deleted", "study", "name", "trials", "age"], right=["trials", "age"])


def undelete(
    study: Name,
    new_name: Annotated[str | None, typer.Option(help="Its new name, if another study has the old one now")] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Restore a deleted study; of several of that name, the last deleted one."""
    with connected(url, token, project) as client:
        found = client.undelete_study(study, new_name)
        typer.echo(f"{found.display_name}: {found.url}")


def purge(study: Name, yes: Yes = False, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Purge a deleted study: all its trials and files are lost permanently."""
    with connected(url, token, project) as client:
        confirm(f"End the deleted study {study} for good?", yes)
        client.purge_study(study)
        typer.echo(f"{study}: purged")
