"""`dodona import`: imports what other programs have tuned into a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dodona._text import line_of
from dodona.commands._calls import WRONG_USE, Project, Token, Url, connected, give_up, opened
from dodona.commands._imports.csv_file import import_rows

app = typer.Typer(
    help="Import what other programs have tuned into a study.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def root() -> None:
    """Import what other programs have tuned into a study."""


@app.command("keras-tuner", epilog="Example: dodona import keras-tuner my_dir/untitled_project --study digits")
def keras_tuner(
    directory: Annotated[Path, typer.Argument(help="The project's folder, the one with oracle.json")],
    study: Annotated[str | None, typer.Option(help="The study's name [default: the folder's]")] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="What was searched for, as in val_accuracy:max [default: what the scores say]"),
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Import a project of KerasTuner: search space, trials and weights. A second time adds nothing."""
    if not (directory / "oracle.json").is_file():
        # Checked first, because TensorFlow takes seconds to load.
        below = sorted(one.parent for one in directory.glob("*/oracle.json"))
        hint = f"; do you mean {below[0]}?" if below else ""
        give_up(f"{directory} is not a project of KerasTuner: it has no oracle.json{hint}", WRONG_USE)
    with connected(url, token, project) as client:
        try:
            from dodona.keras._importing import import_project
        except ModuleNotFoundError as error:
            give_up(f"{error}: pip install 'dodona[keras]'", WRONG_USE)
        done = import_project(directory, study, objective=objective, client=client)
        added = f"{done.added} trials added, {done.existing} existed already; weights of {done.weights} trials"
        typer.echo(line_of(f"{done.study}: {added}"))


@app.command("optuna", epilog="Example: dodona import optuna sqlite:///optuna.db --study digits")
def optuna_study(
    storage: Annotated[str, typer.Argument(help="Optuna's database: a URL such as sqlite:///optuna.db, or a file")],
    study: Annotated[str | None, typer.Option(help="Its name in Optuna [default: the only one there]")] = None,
    name: Annotated[str | None, typer.Option(help="Its name here [default: the same]")] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Import a study of Optuna: search space, trials, intermediate values. A second time adds only what is new."""
    with connected(url, token, project) as client:
        try:
            from dodona.commands._imports.optuna_study import import_study
        except ModuleNotFoundError:
            give_up("Optuna is not installed: pip install 'dodona[optuna]'", WRONG_USE)
        address = storage if "://" in storage else f"sqlite:///{storage}"
        if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).is_file():
            give_up(f"there is no file {address.removeprefix('sqlite:///')}", WRONG_USE)
        done = import_study(address, study, name, client)
        why = "they run, wait, or failed before they had all values"
        left = f", {done.left_out} left out: {why}" if done.left_out else ""
        typer.echo(f"{done.study}: {done.added} trials added, {done.existing} existed already{left}")


@app.command("csv", epilog="Example: dodona import csv results.csv --study digits")
def csv_file(
    file: Annotated[Path, typer.Argument(help="A file with a header, such as `dodona export` writes")],
    study: Annotated[str, typer.Option(help="The study that gets the trials")],
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Import a row for each trial into a study. A second time adds only what is new.

    The columns are parameters.NAME and metrics.NAME, or just NAME; others are ignored. A row without metrics is a
    failed trial, with the reason in the column infeasible_reason.
    """
    with opened(study, url, token, project) as found:
        added, existing = import_rows(found, file)
        typer.echo(f"{found.display_name}: {added} trials added, {existing} existed already")
