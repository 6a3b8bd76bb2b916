"""What the studies and trials of one client share."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from dodona._errors import ServerUnreachable
from dodona._heartbeat import Heartbeat
from dodona._outbox import Outbox
from dodona._run import Hand, Run
from dodona._status import status_file
from dodona._transport import Retry, Transport
from dodona_schemas import vertex

if TYPE_CHECKING:
    from dodona._study import Study

logger = logging.getLogger("dodona")


@dataclass(frozen=True)
class Address:
    """What another process needs to make a client of the same server: see `Client`."""

    url: str
    token: str | None = field(repr=False)
    project: str
    location: str
    timeout: float
    retry: Retry
    transport: httpx.BaseTransport | None
    lease_seconds: float


class Session:
    """A client's connection, the trials that its workers have in hand, and what keeps them.

    Args:
        transport: the way to the server.
        worker: the id under which the process asks for trials; None for one that no other process has.
        address: where another process finds the server.
        open_study: makes a study of the client.

    Attributes:
        status: where the progress is told; None if nobody wants to know.

    """

    def __init__(
        self,
        transport: Transport,
        worker: str | None,
        address: Address,
        open_study: Callable[[vertex.Study], Study],
    ) -> None:
        self.transport = transport
        self.open_study = open_study
        self.address = address
        self.lease_seconds = address.lease_seconds
        self.worker = worker or unique_worker()
        self._named = worker is not None
        self._hands: dict[tuple[str, str], Hand] = {}
        self._of_parent: frozenset[str] = frozenset()
        self._heartbeat = Heartbeat(transport, self.lease_seconds, self.runs)
        self.status = status_file()
        _sessions.add(self)

    @property
    def outbox(self) -> Outbox:
        """The way of the reports."""
        return self._heartbeat.outbox

    def hand(self, study: str, worker: str) -> Hand:
        """What a worker of this process has in hand in a study.

        Args:
            study: its name.
            worker: the worker's id.

        Raises:
            RuntimeError: the process was forked, and the worker is its parent.
        """
        if worker in self._of_parent:
            raise RuntimeError(
                f"this process was forked from the worker {worker!r}, and two processes cannot be one worker; "
                "make a dodona.Client with another worker= in this process"
            )
        return self._hands.setdefault((study, worker), Hand())

    def take(self, run: Run, hand: Hand) -> None:
        """Takes a trial in hand, so that it is beaten for."""
        hand.runs[run.number] = run
        self._heartbeat.start()

    def runs(self) -> list[Run]:
        """The trials in hand."""
        return [run for hand in self._hands.copy().values() for run in hand.runs.copy().values()]

    def close(self) -> None:
        """Ends the heartbeat and closes the connections; trials in hand are left to their leases."""
        self._heartbeat.close()
        if self.outbox.pending:
            try:
                self.outbox.send()
            except ServerUnreachable as error:
                logger.warning("%d reports were never sent: %s", self.outbox.pending, error)
        self.transport.close()

    def after_fork(self) -> None:
        """Leaves the trials, the reports and the connections to the parent; the child may report on its own."""
        self._of_parent |= {worker for _, worker in self._hands} | ({self.worker} if self._named else set())
        for hand in self._hands.values():
            for run in hand.runs.values():
                run.after_fork()
            hand.runs.clear()
        self._hands = {}
        if not self._named:
            self._of_parent |= {self.worker}
            self.worker = unique_worker()
        self._heartbeat.after_fork()
        self.status = status_file()
        self.transport.after_fork()


def unique_worker() -> str:
    """An id that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork() -> None:
    for session in list(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
