"""Common parts of the commands about studies: their options, the connection, errors and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer

from dodona import Client, DodonaError, Retry, ServerUnreachable, Study
from dodona._text import line_of

# The exit codes, besides 0.
REFUSED, WRONG_USE, UNREACHABLE = 1, 2, 3

# A person waits less patiently than a worker.
PATIENCE_SECONDS = 3.0

Url = Annotated[str | None, typer.Option("--url", help="The server's address [default: DODONA_URL]")]
Token = Annotated[str | None, typer.Option("--token", help="The server's secret [default: DODONA_TOKEN]")]
Project = Annotated[
    str | None, typer.Option("--project", help="The project of the studies [default: DODONA_PROJECT, or default]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(help="The study: its id, its display name or its whole name")]
Number = Annotated[int, typer.Argument(help="The trial's number")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


@contextmanager
def connected(url: str | None, token: str | None, project: str | None) -> Iterator[Client]:
    """Connect for the block; an error in it ends the command with one line and the exit code for its kind."""
    retry = Retry(patience_seconds=PATIENCE_SECONDS, first_patience_seconds=PATIENCE_SECONDS)
    try:
        with Client(url, token, project, retry=retry) as client:
            yield client
    except ServerUnreachable as error:
        give_up(str(error), UNREACHABLE)
    except DodonaError as error:
        give_up(str(error), REFUSED)
    except (ValueError, OSError) as error:
        give_up(str(error), WRONG_USE)


@contextmanager
def opened(study: str, url: str | None, token: str | None, project: str | None) -> Iterator[Study]:
    """Open a study for the block; see `connected`."""
    with connected(url, token, project) as client:
        yield client.get_study(study)


def give_up(reason: str, code: int) -> NoReturn:
    """End the command with a line about the reason."""
    typer.echo(f"dodona: {line_of(reason)}", err=True)
    raise typer.Exit(code)


def confirm(question: str, yes: bool) -> None:
    """Ask before something is lost, unless the answer was given; end the command without a yes."""
    if not yes:
        typer.confirm(question, abort=True)
