"""`dodona export` writes the trials of a study to a file, `dodona report` a report of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dodona.commands._calls import Name, Project, Token, Url, opened


class Format(StrEnum):
    """Formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class ReportFormat(StrEnum):
    """Formats of a report."""

    HTML = "html"
    MD = "md"


def export(
    study: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file [default: STUDY.FORMAT]")] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, typer.Option(help="Its format [default: by the file's name, or csv]")
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Write all trials of a study to a file.

    CSV and Parquet have a row for each trial; JSON lines have all measurements too.

    Example: dodona export digits --format parquet; dodona export digits --output digits.jsonl
    """
    with opened(study, url, token, project) as found:
        if output is None:
            output = Path(f"{found.id}.{format or Format.CSV}")
        written = found.export(output, None if format is None else format.value)
        typer.echo(f"{found.display_name}: {written}")


def report(
    study: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file, or - to print it [default: STUDY-report.FORMAT]")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        ReportFormat | None, typer.Option(help="Its format [default: by the file's name, or html]")
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Write a report of a study: one HTML file with figures, or Markdown.

    It says what was searched and how, and has the best trials, the importance of the parameters, learning curves and
    what early stopping saved.

    Example: dodona report digits; dodona report digits --format md --output -
    """
    with opened(study, url, token, project) as found:
        if output == Path("-"):
            typer.echo(found.report(format=None if format is None else format.value))
            return
        if output is None:
            output = Path(f"{found.id}-report.{format or ReportFormat.HTML}")
        found.report(output, None if format is None else format.value)
        typer.echo(f"{found.display_name}: {output}")
