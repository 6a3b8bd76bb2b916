"""State that the studies and trials of one client share."""

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
from dodona._http.transport import Retry, Transport
from dodona._trials.active_trials import ActiveTrial, ActiveTrials
from dodona._trials.heartbeat import Heartbeat
from dodona._trials.outbox import Outbox
from dodona._trials.status import status_file
from dodona_schemas import vertex

if TYPE_CHECKING:
    pass

logger = logging.getLogger("dodona")


@dataclass(frozen=True)
class Address:
    """Arguments with which another process can make a client of the same server; see `Client`."""

    url: str
    token: str | None = field(repr=False)
    project: str
    location: str
    timeout: float
    retry: Retry
    transport: httpx.BaseTransport | None
    lease_seconds: float


class Session:
    """A client's connection, the active trials of its workers, and the heartbeat and outbox for them.

    Args:
        transport: sends the calls.
        worker: the id under which the process asks for trials; None for a unique one.
        address: the arguments for a client in another process.
        open_study: makes a study object of the client.

    Attributes:
        status: the file for the worker's progress; None without one.

    """

    def __init__(
        self,
        transport: Transport,
        worker: str | None,
        address: Address,
        open_study: Callable[[vertex.Study], object],
    ) -> None:
        self.transport = transport
        self.open_study = open_study
        self.address = address
        self.lease_seconds = address.lease_seconds
        self.worker = worker or unique_worker()
        self._named = worker is not None
        self._active: dict[tuple[str, str], ActiveTrials] = {}
        self._of_parent: frozenset[str] = frozenset()
        self._heartbeat = Heartbeat(transport, self.lease_seconds, self.trials)
        self.status = status_file()
        _sessions.add(self)

    @property
    def outbox(self) -> Outbox:
        """Outbox of the reports."""
        return self._heartbeat.outbox

    def active_trials(self, study: str, worker: str) -> ActiveTrials:
        """Return the active trials of a worker of this process in a study.

        Args:
            study: the study's name.
            worker: the worker's id.

        Raises:
            RuntimeError: the process was forked, and the worker is its parent.
        """
        if worker in self._of_parent:
            raise RuntimeError(
                f"this process was forked from the worker {worker!r}, and two processes cannot be one worker; "
                "create a dodona.Client with another worker= in this process"
            )
        return self._active.setdefault((study, worker), ActiveTrials())

    def activate(self, trial: ActiveTrial, active_trials: ActiveTrials) -> None:
        """Add an active trial, so that its lease is renewed."""
        active_trials.trials[trial.number] = trial
        self._heartbeat.start()

    def trials(self) -> list[ActiveTrial]:
        """Return all active trials."""
        return [
            trial for active_trials in self._active.copy().values() for trial in active_trials.trials.copy().values()
        ]

    def close(self) -> None:
        """End the heartbeat and close the connections; active trials expire with their leases."""
        self._heartbeat.close()
        if self.outbox.pending:
            try:
                self.outbox.send()
            except ServerUnreachable as error:
                logger.warning("%d reports were never sent: %s", self.outbox.pending, error)
        self.transport.close()

    def after_fork(self) -> None:
        """Leave the trials, the reports and the connections to the parent; the child may report for trials itself."""
        self._of_parent |= {worker for _, worker in self._active} | ({self.worker} if self._named else set())
        for active_trials in self._active.values():
            for trial in active_trials.trials.values():
                trial.after_fork()
            active_trials.trials.clear()
        self._active = {}
        if not self._named:
            self._of_parent |= {self.worker}
            self.worker = unique_worker()
        self._heartbeat.after_fork()
        self.status = status_file()
        self.transport.after_fork()


def unique_worker() -> str:
    """Return an id that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork() -> None:
    for session in list(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
