"""Idempotency: a call with a request id is done once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dodona_server.domain.errors import DodonaError, InvalidArgument
from dodona_server.domain.names import Location
from dodona_server.storage import requests
from dodona_server.storage.store import Transaction

T = TypeVar("T")

# How long a request id is remembered.
REMEMBERED_SECONDS = 24 * 3600.0
MAX_REQUEST_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class IdempotentCall:
    """A call to a resource with the request id that the client chose.

    Args:
        request_id: the client's; empty for a call without one.
        call: the verb and the resource's name.
        parent: the location within which the id is unique.
        now: the time, in seconds since the epoch.
    """

    request_id: str | None
    call: str
    parent: Location
    now: float

    def __call__(
        self, use_case: Callable[[Transaction], T | DodonaError], again: Callable[[Transaction], T]
    ) -> Callable[[Transaction], T | DodonaError]:
        """Return a use case that runs `use_case` the first time, and `again` if the call was done before.

        Raises:
            InvalidArgument: the id belongs to another call, or is too long.
        """
        request_id = self.request_id
        if not request_id:
            return use_case
        if len(request_id) > MAX_REQUEST_ID_LENGTH:
            raise InvalidArgument(f"{len(request_id)} characters; {MAX_REQUEST_ID_LENGTH} are allowed", "requestId")

        def once(transaction: Transaction) -> T | DodonaError:
            done = requests.find(transaction, self.parent, request_id)
            if done is None:
                answer = use_case(transaction)
                if not isinstance(answer, DodonaError):
                    requests.insert(transaction, self.parent, request_id, self.call, self.now)
                return answer
            if done != self.call:
                raise InvalidArgument(f"{request_id!r} is the id of another request: {done}", "requestId")
            return again(transaction)

        return once
