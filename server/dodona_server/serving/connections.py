"""Connection limits: how many there may be, how many of one address, and how long one may wait.

No connection is refused while another one is idle: a new one takes the place of an idle one. So a client that opens
many connections and sends nothing loses those, and shuts nobody out.
"""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from dodona_server.api.guard.addresses import address_of

logger = logging.getLogger("dodona")

# For one process. Workers behind one router share an address.
MAX_CONNECTIONS = 4096
MAX_OF_ADDRESS = 1024
# For the database, artifacts and the processes that fit models.
RESERVED_DESCRIPTORS = 128
WANTED_DESCRIPTORS = 65_536
SWEEP_SECONDS = 1.0
# A flood of connections must not flood the log.
QUIET_SECONDS = 10.0
# The number of addresses that are remembered for that.
MAX_REMEMBERED = 4096
NOTHING_ASKED = -math.inf


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the number of a process's connections, and on how long they may wait.

    Args:
        connections: the maximum in total.
        of_address: the maximum of one address.
        head_seconds: from the connection, or from the first byte of a later request, to the end of the head.
        silent_seconds: how long a body may stop growing.
        body_seconds: from the head to the end of the body, except for artifacts.
        unread_seconds: how long a client may read nothing of an answer.
    """

    connections: int = MAX_CONNECTIONS
    of_address: int = MAX_OF_ADDRESS
    head_seconds: float = 30.0
    silent_seconds: float = 30.0
    body_seconds: float = 300.0
    unread_seconds: float = 300.0

    @classmethod
    def of_process(cls) -> Limits:
        """Return the limits for which the process has descriptors; one address may have at most half of them."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        connections = min(MAX_CONNECTIONS, max(soft - RESERVED_DESCRIPTORS, soft // 2))
        return cls(connections=connections, of_address=min(MAX_OF_ADDRESS, connections // 2))


class Connection(Protocol):
    """A connection as the table sees it."""

    host: str

    def check(self, now: float) -> None:
        """Close the connection if it has waited too long."""

    def waits_since(self) -> float | None:
        """Return when it began to wait for a request: `NOTHING_ASKED` before the first, None during an answer."""

    def evict(self) -> None:
        """Close the connection in favor of a new one."""


@dataclass(slots=True)
class _Address:
    connections: dict[Connection, None] = field(default_factory=dict)  # an ordered set
    logged: float = float("-inf")


class InvalidRequests:
    """A log of requests that are not HTTP, with a limited number of lines for each address."""

    def __init__(self) -> None:
        self._logged: OrderedDict[str, float] = OrderedDict()

    def log(self, host: str) -> None:
        """Log that one came from `host`, unless one did shortly before."""
        address, now = address_of(host), time.monotonic()
        if now - self._logged.get(address, -math.inf) < QUIET_SECONDS:
            return
        self._logged[address] = now
        self._logged.move_to_end(address)
        if len(self._logged) > MAX_REMEMBERED:
            self._logged.popitem(last=False)
        logger.warning("%s sent something that is not an HTTP request", address)


class Connections:
    """Connections of this process.

    Args:
        limits: how many there may be.
        is_proxy: whether an address belongs to a proxy, whose connections are those of many clients.
    """

    def __init__(self, limits: Limits, is_proxy: Callable[[str], bool] = lambda _: False) -> None:
        self.limits = limits
        self._is_proxy = is_proxy
        self._all: dict[Connection, None] = {}
        self._addresses: dict[str, _Address] = {}
        self._logged = float("-inf")
        self._sweeping = False
        self.invalid = InvalidRequests()

    def add(self, new: Connection) -> bool:
        """Add a connection, if necessary in the place of another one; return False if there is no room."""
        key = address_of(new.host)
        address = self._addresses.get(key) or _Address()
        if len(address.connections) >= self.limits.of_address and not self._is_proxy(new.host):
            address.logged = _log_limit(
                address.logged, f"{key} has {len(address.connections)} connections, the most that one"
            )
            if not self._evict_one(address.connections):
                return False
        if len(self._all) >= self.limits.connections:
            self._logged = _log_limit(
                self._logged, f"there are {len(self._all)} connections, the most that this server"
            )
            if not self._evict_one(self._all):
                return False
        self._addresses[key] = address
        address.connections[new] = self._all[new] = None
        self._sweep_later()
        return True

    def remove(self, gone: Connection) -> None:
        """Remove a connection, if it is here."""
        if gone not in self._all:
            return
        del self._all[gone]
        key = address_of(gone.host)
        address = self._addresses[key]
        del address.connections[gone]
        if not address.connections:
            del self._addresses[key]

    def _evict_one(self, among: Iterable[Connection]) -> bool:
        victim, longest = None, math.inf
        for one in among:  # the oldest first
            since = one.waits_since()
            if since is not None and since < longest:
                victim, longest = one, since
            if longest == NOTHING_ASKED:
                break  # a flood has many of these, which are nearly equally old
        if victim is None:
            return False
        self.remove(victim)
        victim.evict()
        return True

    def _sweep_later(self) -> None:
        if not self._sweeping and self._all:
            self._sweeping = True
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        now = time.monotonic()
        for connection in list(self._all):
            connection.check(now)
        self._sweep_later()


def raise_descriptor_limit() -> None:
    """Raise the soft limit of descriptors; each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _log_limit(logged: float, who: str) -> float:
    """Log who has reached a limit, unless a line at `logged` was shortly before; return the time of the last line."""
    now = time.monotonic()
    if now - logged < QUIET_SECONDS:
        return logged
    logger.warning("%s may have: new ones replace waiting ones, or are refused", who)
    return now
