"""Wrong tokens: each address that sends them is logged, and waits longer for each further answer.

A request with the right token never waits, whatever its address.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.types import Scope

from dodona_server.api.guard.addresses import address_of

logger = logging.getLogger("dodona")

FREE_TRIES = 5
FIRST_PAUSE_SECONDS = 0.125
LONGEST_PAUSE_SECONDS = 4.0
FORGET_SECONDS = 60.0
# Delayed answers of one address; further ones are sent at once and close their connection.
MAX_HELD = 16
MAX_ADDRESSES = 4096
MAX_ADDRESS_LENGTH = 64
LINE_SECONDS = 10.0


@dataclass(slots=True)
class _Tries:
    wrong: int = 0
    latest: float = 0.0
    held: int = 0
    told: float = float("-inf")
    untold: int = 0


class RefusedTokens:
    """Recent refused requests of each address."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Tries] = OrderedDict()

    async def refuse(self, scope: Scope, *, wrong: bool, name: str = "") -> bool:
        """Log a refusal, and delay the answer to a wrong token or password.

        Args:
            scope: the request.
            wrong: whether the token is wrong; otherwise the request has none.
            name: of a person whose password was tried; tries of one name count together, from wherever they come.

        Returns:
            Whether the connection may stay open; if not, too many answers to this address are already delayed.
        """
        # A proxy may have passed any text as an address.
        host = scope["client"][0][:MAX_ADDRESS_LENGTH] if scope.get("client") else "an unknown address"
        tries = self._tries_of(address_of(host))
        _log(tries, host, scope, wrong=wrong)
        if not wrong:
            return True
        if name:
            # No address looks like this.
            of_name = self._tries_of(f"name {name[:MAX_ADDRESS_LENGTH]}")
            of_name.wrong += 1
            of_name.latest = time.monotonic()
            tries.wrong = max(tries.wrong, of_name.wrong - 1)
        tries.wrong += 1
        tries.latest = time.monotonic()
        if tries.held >= MAX_HELD:
            return False
        if tries.wrong > FREE_TRIES:
            tries.held += 1
            try:
                await asyncio.sleep(_pause(tries.wrong - FREE_TRIES))
            finally:
                tries.held -= 1
        return True

    def _tries_of(self, address: str) -> _Tries:
        tries = self._addresses.setdefault(address, _Tries())
        self._addresses.move_to_end(address)
        if time.monotonic() - tries.latest > FORGET_SECONDS:
            tries.wrong = 0
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        return tries


def _pause(times: int) -> float:
    """Return how many seconds an answer is delayed."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(times - 1, 32), LONGEST_PAUSE_SECONDS)


def _log(tries: _Tries, host: str, scope: Scope, *, wrong: bool) -> None:
    now = time.monotonic()
    if now - tries.told < LINE_SECONDS:
        tries.untold += 1
        return
    more = f", and {tries.untold} times before since the last line" if tries.untold else ""
    tries.told, tries.untold = now, 0
    # The path is quoted, because it may contain line breaks. The query is omitted, because it may contain a token.
    reason = "a wrong token" if wrong else "no token"
    logger.warning("refused %s from %r, which sent %s for %.200r%s", scope["method"], host, reason, scope["path"], more)
