"""Idempotency: a call with a request id is done once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dodona_server.domain.errors import DodonaError, InvalidArgument, NotFound
from dodona_server.domain.names import Location, StudyName
from dodona_server.storage import requests
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.requests import Done, Scope
from dodona_server.storage.studies import studies

T = TypeVar("T")

# How long a request id is remembered.
REMEMBERED_SECONDS = 24 * 3600.0
MAX_REQUEST_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Request:
    """A call with the id that its client chose.

    Args:
        request_id: the client's.
        call: the verb and the resource's name.

    Raises:
        InvalidArgument: the id is too long.
    """

    request_id: str
    call: str

    def __post_init__(self) -> None:
        if len(self.request_id) > MAX_REQUEST_ID_LENGTH:
            problem = f"{len(self.request_id)} characters; {MAX_REQUEST_ID_LENGTH} are allowed"
            raise InvalidArgument(problem, "request_id")

    def result(self, transaction: Transaction, scope: Scope) -> str | None:
        """Return the reference to what the call made when it was done before; None if it was not.

        Raises:
            InvalidArgument: the id belongs to another call.
        """
        return self._result_of(requests.find(transaction, scope, self.request_id))

    def result_ahead(self, transaction: Transaction, study: StudyName) -> Callable[[], str | None]:
        """Look for the result together with the next statement; what is returned returns and raises like `result`."""
        find = requests.find_ahead(transaction, study, self.request_id)
        return lambda: self._result_of(find())

    def _result_of(self, done: Done | None) -> str | None:
        if done is None:
            return None
        if done.call != self.call:
            raise InvalidArgument(f"{self.request_id!r} is the id of another request: {done.call}", "request_id")
        return done.result

    def keep(
        self, transaction: Transaction, scope: Scope, now: float | None, result: str = "", *, again: bool = False
    ) -> None:
        """Record that the call was done.

        Args:
            transaction: to write in.
            scope: where the id is unique.
            now: the time, in seconds since the epoch: the id is kept for a day. None to keep it as long as the study.
            result: a reference to what the call made.
            again: whether it was done before, and what it made then is gone.
        """
        if again:
            requests.set_result(transaction, scope, self.request_id, result)
            return
        forget_time = None if now is None else now + REMEMBERED_SECONDS
        requests.insert(transaction, scope, self.request_id, Done(self.call, result), forget_time)


@dataclass(frozen=True, slots=True)
class IdempotentCall:
    """A call that answers with the resource as it is, if it was done before.

    Args:
        request_id: the client's; empty for a call without one.
        call: the verb and the resource's name.
        scope: the study or the location within which the id is unique.
        now: the time, in seconds since the epoch.
    """

    request_id: str | None
    call: str
    scope: Location | StudyName
    now: float

    def __call__(
        self, use_case: Callable[[Transaction], T | DodonaError], again: Callable[[Transaction], T]
    ) -> Callable[[Transaction], T | DodonaError]:
        """Return a use case that runs `use_case` the first time, and `again` if the call was done before.

        Raises:
            InvalidArgument: the id belongs to another call, or is too long.
        """
        if not self.request_id:
            return use_case
        request = Request(self.request_id, self.call)

        def once(transaction: Transaction) -> T | DodonaError:
            scope = _key_of(transaction, self.scope) if isinstance(self.scope, StudyName) else self.scope
            if request.result(transaction, scope) is not None:
                return again(transaction)
            answer = use_case(transaction)
            if not isinstance(answer, DodonaError):
                request.keep(transaction, scope, self.now)
            return answer

        return once


def _key_of(transaction: Transaction, name: StudyName) -> int:
    study = studies.find(transaction, name)
    if study is None:
        raise NotFound(f"{name} does not exist")
    return study.key
