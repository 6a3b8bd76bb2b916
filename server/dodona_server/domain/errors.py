"""The errors that a caller can receive, one class for each reaction.

    DodonaError
    ├── InvalidArgument       the request can never succeed: correct it
    ├── FailedPrecondition    the resource's state does not allow it: read the resource first
    ├── NotFound              there is no such resource
    ├── AlreadyExists         the name belongs to a different resource
    ├── Aborted               another worker has the trial now: ask for another trial
    ├── TooLarge              more than this server accepts
    ├── StorageFull           the server has no space left: an operator has to free some
    └── Unavailable           not now: send the same request again

The message is for people and names the field, the value and what is allowed. `api.errors` maps the classes to HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DodonaError(Exception):
    """The root of the tree."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(DodonaError):
    """The request can never succeed. `field` names the wrong field, `problem` says what is wrong with it."""

    def __init__(self, problem: str, field: str = "") -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.problem = problem
        self.field = field


class FailedPrecondition(DodonaError):
    """The resource is in a state that does not allow the call."""


class NotFound(DodonaError):
    """There is no such resource."""


class AlreadyExists(DodonaError):
    """The name belongs to a resource that differs from the requested one."""


class Aborted(DodonaError):
    """The caller no longer owns the trial: it was reassigned, or somebody else ended it."""


class TooLarge(DodonaError):
    """The request's content is larger than this server allows."""


class StorageFull(DodonaError):
    """The server has no space left for the request's content; an operator has to free some."""


class Unavailable(DodonaError):
    """The server cannot answer now; the same request may succeed later."""


@contextmanager
def inside(field: str) -> Iterator[None]:
    """Prefix the field of an InvalidArgument raised inside with `field`."""
    try:
        yield
    except InvalidArgument as error:
        separator = "." if error.field and not error.field.startswith("[") else ""
        raise InvalidArgument(error.problem, f"{field}{separator}{error.field}") from error
