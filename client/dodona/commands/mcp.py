"""`dodona mcp`: studies as tools for an assistant that speaks the Model Context Protocol."""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import Callable
from typing import Annotated, Any

import typer
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from dodona import DodonaError, __version__
from dodona.commands._calls import Project, Token, Url, connected
from dodona.commands._mcp.tools import Tools

INSTRUCTIONS = """\
Dodona tunes hyperparameters: studies have a search space, and trials are its points with their results. An optimizer
suggests trials; it beats guesses in a fixed space. So read summarize_study before you act, queue trials only for a
reason that the optimizer cannot know, and change the space or the budget rather than pick points one by one."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog="Example: dodona mcp --url http://tuner:8080 --read-only")
def mcp(
    url: Url = None,
    token: Token = None,
    project: Project = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only offer the tools that change nothing")] = False,
) -> None:
    """Offer the studies of a server to an assistant, on standard input and output (Model Context Protocol).

    The token's role decides what the assistant may do, whatever tools it has.
    """
    with connected(url, token, project, worker=f"assistant-{secrets.token_hex(3)}") as client:
        served(Tools(client), read_only=read_only).run("stdio")


def served(tools: Tools, *, read_only: bool = False) -> MCPServer:
    """Return a server of the protocol with these tools."""
    server = MCPServer("dodona", instructions=INSTRUCTIONS, version=__version__)
    for tool in tools.readers():
        _add(server, tool, ToolAnnotations(read_only_hint=True, open_world_hint=False))
    for tool in () if read_only else tools.changers():
        # The rest of a training is lost.
        destroys = tool.__name__ == "stop_trial"
        _add(server, tool, ToolAnnotations(read_only_hint=False, destructive_hint=destroys, open_world_hint=False))
    return server


def _add(server: MCPServer, tool: Callable[..., Any], annotations: ToolAnnotations) -> None:
    @functools.wraps(tool)
    def safe(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except (DodonaError, ValueError) as error:
            # Anything else is a bug, whose text is not for the assistant.
            raise ToolError(str(error)) from error

    server.add_tool(safe, description=inspect.getdoc(tool), annotations=annotations)
