"""Tools as a server of the Model Context Protocol, those that the caller may use."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Set
from contextlib import AbstractContextManager
from typing import Any, cast

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations

from dodona import Client, DodonaError, __version__
from dodona._assistants.tools import OFFERS, Offer, Tools

INSTRUCTIONS = """\
Dodona tunes hyperparameters: studies have a search space, and trials are its points with their results. An optimizer
suggests trials; it beats guesses in a fixed space. So read summarize_study before you act, queue trials only for a
reason that the optimizer cannot know, and change the space or the budget rather than pick points one by one."""

# Calls of tools at a time; they wait for calls of the API, which need other threads.
AT_ONCE = 8
_LIMITER: RunVar[CapacityLimiter] = RunVar("_LIMITER")

Connect = Callable[[], AbstractContextManager[Client]]


def server_of(connect: Connect, calls: Set[str], *, read_only: bool = False) -> MCPServer:
    """Return a server of the protocol.

    Args:
        connect: opens a client for one call of a tool.
        calls: the calls of the API that are allowed; tools that need others are not offered.
        read_only: whether to offer only the tools that change nothing.
    """
    offers = [one for one in OFFERS if one.calls <= calls and not (read_only and one.changes)]
    tools = [_described(one).model_copy(update={"fn": _running(one, connect)}) for one in offers]
    return MCPServer("dodona", instructions=INSTRUCTIONS, version=__version__, tools=tools)


def _running(offer: Offer, connect: Connect) -> Callable[..., Any]:
    """Return a function that runs a tool in a thread, since the client waits for answers."""

    def in_thread(arguments: dict[str, Any]) -> Any:
        try:
            with connect() as client:
                return getattr(Tools(client), offer.name)(**arguments)
        except (DodonaError, ValueError, TimeoutError) as error:
            # Anything else is a bug, whose text is not for the assistant.
            raise ToolError(str(error)) from error

    async def run(**arguments: Any) -> Any:
        return await to_thread.run_sync(in_thread, arguments, limiter=_limiter())

    return run


def _limiter() -> CapacityLimiter:
    """Return the limiter that all requests of an event loop share."""
    try:
        return _LIMITER.get()
    except LookupError:
        limiter = CapacityLimiter(AT_ONCE)
        _LIMITER.set(limiter)
        return limiter


@functools.cache
def _described(offer: Offer) -> Tool:
    """Return the description of a tool, which takes longer to make than most tools to run."""
    method = getattr(Tools(cast(Client, None)), offer.name)

    @functools.wraps(method)
    async def described(**_arguments: Any) -> Any:
        raise NotImplementedError

    return Tool.from_function(
        described,
        description=inspect.getdoc(method),
        annotations=ToolAnnotations(
            read_only_hint=not offer.changes, destructive_hint=offer.destroys, open_world_hint=False
        ),
    )
