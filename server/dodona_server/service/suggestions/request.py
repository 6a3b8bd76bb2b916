"""Request of a call for trials."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import Actor, ActorKind
from dodona_server.domain.names import StudyName
from dodona_server.domain.trials.trial import Lease
from dodona_server.service.idempotency import Request

MAX_SUGGESTIONS = 1000
MAX_CLIENT_ID_LENGTH = 256
MAX_CONTEXTS = 100
MAX_GPUS = 10_000
MIN_LEASE_SECONDS = 0.1
MAX_LEASE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """A client's request for trials.

    Args:
        client_id: a worker that returns with the same id gets its unfinished trials again.
        count: the number of trials, at least 1.
        request_id: the same id again returns the same answer.
        contexts: values that the trials must have, each trial those of one context; empty for any values.
        lease_seconds: the time the client keeps a trial without a heartbeat; None for no limit.
        running: the numbers of the client's trials that it still runs: its other trials count as lost. None if the
            client does not say; it then gets its unfinished trials as they are.
        follows: whether another process asks for trials as this client; this call only gets the trials that it has.
        agent: the client's software and machine, for people; a long one is cut.
        gpus: how many GPUs the client has; 0 if it has none or does not say.

    Raises:
        InvalidArgument: the client id is empty or too long, the count or the lease out of range, or there are too many
            contexts.
    """

    client_id: str
    count: int
    request_id: str | None = None
    contexts: Sequence[Mapping[str, object]] = ()
    lease_seconds: float | None = None
    running: Collection[int] | None = None
    follows: bool = False
    agent: str = ""
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.client_id) <= MAX_CLIENT_ID_LENGTH:
            raise InvalidArgument(f"{self.client_id!r} is not 1 to {MAX_CLIENT_ID_LENGTH} characters long", "client_id")
        if not 1 <= self.count <= MAX_SUGGESTIONS:
            raise InvalidArgument(f"{self.count} is not from 1 to {MAX_SUGGESTIONS}", "suggestion_count")
        if len(self.contexts) > MAX_CONTEXTS:
            raise InvalidArgument(f"{len(self.contexts)} contexts; {MAX_CONTEXTS} are allowed", "contexts")
        if not 0 <= self.gpus <= MAX_GPUS:
            raise InvalidArgument(f"{self.gpus!r} is not from 0 to {MAX_GPUS}", "gpus")
        lease = self.lease_seconds
        if lease is not None and not MIN_LEASE_SECONDS <= lease <= MAX_LEASE_SECONDS:
            allowed = f"{MIN_LEASE_SECONDS:g} to {MAX_LEASE_SECONDS:.0f} seconds"
            raise InvalidArgument(f"{lease!r} is not from {allowed}", "lease_duration")

    def identified(self, name: StudyName) -> Request | None:
        """Return the request by the client's id; None if it has none."""
        return Request(self.request_id, f"suggest {name}") if self.request_id else None

    @property
    def actor(self) -> Actor:
        """Client as the cause of events."""
        return Actor(ActorKind.CLIENT, self.client_id)

    def lease(self, now: float) -> Lease | None:
        """Return the lease that the client asks for. Its expiry is by the server's clock; the database's decides."""
        seconds = self.lease_seconds
        return None if seconds is None else Lease(seconds, now + seconds, seconds)
