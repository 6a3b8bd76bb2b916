"""The errors a caller can meet, one class per reaction.

    DodonaError
    ├── InvalidArgument       the request can never succeed: mend it
    ├── FailedPrecondition    not in the state the resource is in: look at it first
    ├── NotFound              no such resource
    ├── AlreadyExists         the name is taken by something else
    ├── Aborted               somebody else has it now: go on with something else
    ├── TooLarge              more than this server takes
    ├── StorageFull           no room left on the server: somebody has to make some
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
    """The request can never succeed. `field` says where it is wrong, `problem` what is wrong there."""

    def __init__(self, problem: str, field: str = "") -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.problem = problem
        self.field = field


class FailedPrecondition(DodonaError):
    """The resource is in a state that does not allow the call."""


class NotFound(DodonaError):
    """There is no such resource."""


class AlreadyExists(DodonaError):
    """The name belongs to a resource that differs from the one asked for."""


class Aborted(DodonaError):
    """The caller has lost what it speaks of: it was handed on, or ended by somebody else."""


class TooLarge(DodonaError):
    """The request's content is larger than this server allows."""


class StorageFull(DodonaError):
    """The server has no room left for what the request brings; somebody has to make some."""


class Unavailable(DodonaError):
    """The server cannot answer now; the same request may succeed later."""


@contextmanager
def inside(field: str) -> Iterator[None]:
    """Puts `field` before the field that an InvalidArgument raised inside names."""
    try:
        yield
    except InvalidArgument as error:
        separator = "." if error.field and not error.field.startswith("[") else ""
        raise InvalidArgument(error.problem, f"{field}{separator}{error.field}") from error
