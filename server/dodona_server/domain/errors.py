"""Errors that a caller can receive, one class for each reaction.

    DodonaError
    ├── InvalidArgument       the request can never succeed: correct it
    ├── FailedPrecondition    the resource's state does not allow it: read the resource first
    ├── PermissionDenied      no role of the caller allows it
    ├── NotFound              there is no such resource
    ├── AlreadyExists         the name belongs to a different resource
    ├── Aborted               another worker has the trial now: ask for another trial
    ├── TooLarge              more than this server accepts
    ├── StorageFull           the server has no space left: an operator has to free some
    ├── QuotaExceeded         the project has as many as it may have: delete some
    └── Unavailable           not now: send the same request again

The message is for people and names the field, the value and what is allowed. Fields have their names in Python; the
dialects of the API replace these by their own. `api.errors` maps the classes to HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Field(str):
    """Path of a field in an error's text, as in Python: "study_spec.metrics[0].metric_id"."""

    __slots__ = ()


Text = str | tuple[str | Field, ...]


class DodonaError(Exception):
    """Root of the tree of errors.

    Args:
        message: for people; a tuple of texts and fields if it mentions fields.
    """

    def __init__(self, message: Text) -> None:
        self.parts = (message,) if isinstance(message, str) else message
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """Message with the names that fields have in Python."""
        return "".join(self.parts)

    def named(self, name: Callable[[str], str]) -> str:
        """Return the message with the names of a dialect, which `name` returns for a path."""
        return "".join(name(part) if isinstance(part, Field) else part for part in self.parts)


class InvalidArgument(DodonaError):
    """The request can never succeed. `field` is the path of the wrong field, `problem` says what is wrong with it."""

    def __init__(self, problem: Text, field: str = "") -> None:
        parts = (problem,) if isinstance(problem, str) else problem
        super().__init__((Field(field), ": ", *parts) if field else parts)
        self.problem = problem
        self.field = field


class FailedPrecondition(DodonaError):
    """The resource is in a state that does not allow the call."""


class PermissionDenied(DodonaError):
    """No role of the caller allows the call."""


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


class QuotaExceeded(DodonaError):
    """The project has as many studies or trials as it may have; someone has to delete some."""


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
