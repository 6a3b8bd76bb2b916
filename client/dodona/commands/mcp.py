"""`dodona mcp`: studies as tools for an assistant that speaks the Model Context Protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from dodona import Client, Retry
from dodona._assistants.serving import server_of
from dodona._assistants.tools import LEASE_SECONDS
from dodona.commands._calls import PATIENCE_SECONDS, Project, Token, Url, connected

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog="Example: dodona mcp --url http://tuner:8080 --read-only")
def mcp(
    url: Url = None,
    token: Token = None,
    project: Project = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only offer the tools that change nothing")] = False,
) -> None:
    """Offer the studies of a server to an assistant, on standard input and output (Model Context Protocol).

    The token's role decides which tools the assistant sees.
    """
    retry = Retry(patience_seconds=PATIENCE_SECONDS, first_patience_seconds=PATIENCE_SECONDS)
    with connected(url, token, project) as client:
        calls = frozenset(client.caller().calls)

    def connect() -> Client:
        return Client(url, token, project, retry=retry, lease_seconds=LEASE_SECONDS)

    server_of(connect, calls, read_only=read_only).run("stdio")
