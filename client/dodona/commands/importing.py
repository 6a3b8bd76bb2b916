"""`dodona import`: imports what other programs have tuned into a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dodona import Client, DodonaError
from dodona._text import line_of

app = typer.Typer(
    help="Import what other programs have tuned into a study.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def root() -> None:
    """Import what other programs have tuned into a study."""


@app.command("keras-tuner")
def keras_tuner(
    directory: Annotated[Path, typer.Argument(help="The project's folder, the one with oracle.json")],
    study: Annotated[str | None, typer.Option(help="The study's name [default: the folder's]")] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="What was searched for, as in val_accuracy:max [default: what the scores say]"),
    ] = None,
    url: Annotated[str | None, typer.Option(help="The server's address [default: DODONA_URL]")] = None,
) -> None:
    """Import a project of KerasTuner into a study: search space, trials and weights. A second time adds nothing."""
    if not (directory / "oracle.json").is_file():
        # Checked first, because TensorFlow takes seconds to load.
        below = sorted(one.parent for one in directory.glob("*/oracle.json"))
        hint = f"; do you mean {below[0]}?" if below else ""
        typer.echo(f"dodona import: {directory} is no project of KerasTuner: it has no oracle.json{hint}", err=True)
        raise typer.Exit(2)
    from dodona.keras._importing import import_project

    try:
        done = import_project(directory, study, objective=objective, client=Client(url))
    except (DodonaError, ValueError) as error:
        typer.echo(line_of(f"dodona import: {error}"), err=True)
        raise typer.Exit(2) from None
    added = f"{done.added} trials added, {done.existing} were there; weights of {done.weights} trials"
    typer.echo(line_of(f"{done.study}: {added}"))
