"""`dodona export`: writes the trials of a study to a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dodona.commands._calls import Name, Project, Token, Url, opened


class Format(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


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
