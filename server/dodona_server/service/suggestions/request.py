"""What a call for trials asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.trial import Lease

MAX_SUGGESTIONS = 1000
MAX_CLIENT_ID_LENGTH = 256
MAX_CONTEXTS = 100
MIN_LEASE_SECONDS = 0.1
MAX_LEASE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """Who asks for what.

    Args:
        client_id: a worker that comes back under its id gets its unfinished trials again.
        count: how many trials, at least 1.
        request_id: the same id again gets the same answer.
        contexts: values that the trials must have, each trial those of one context; none for any trials.
        lease_seconds: how long the client has the trials without a sign of life; None for ever.
        held: the numbers of the client's trials that it runs: others that are its own it has lost, and they count as
            such; None for a client that does not tell, which gets its own trials as they are.

    Raises:
        InvalidArgument: the client id is empty or too long, the count or the lease out of range, or there are too many
            contexts.
    """

    client_id: str
    count: int
    request_id: str | None = None
    contexts: Sequence[Mapping[str, object]] = ()
    lease_seconds: float | None = None
    held: Collection[int] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.client_id) <= MAX_CLIENT_ID_LENGTH:
            raise InvalidArgument(f"{self.client_id!r} is not 1 to {MAX_CLIENT_ID_LENGTH} characters long", "clientId")
        if not 1 <= self.count <= MAX_SUGGESTIONS:
            raise InvalidArgument(f"{self.count} is not from 1 to {MAX_SUGGESTIONS}", "suggestionCount")
        if len(self.contexts) > MAX_CONTEXTS:
            raise InvalidArgument(f"{len(self.contexts)} contexts; {MAX_CONTEXTS} are allowed", "contexts")
        lease = self.lease_seconds
        if lease is not None and not MIN_LEASE_SECONDS <= lease <= MAX_LEASE_SECONDS:
            allowed = f"{MIN_LEASE_SECONDS:g} to {MAX_LEASE_SECONDS:.0f} seconds"
            raise InvalidArgument(f"{lease!r} is not from {allowed}", "leaseDuration")

    def lease(self, now: float) -> Lease | None:
        """The lease that the client asks for; it says the server's time, and the database's counts."""
        seconds = self.lease_seconds
        return None if seconds is None else Lease(seconds, now + seconds, seconds)
