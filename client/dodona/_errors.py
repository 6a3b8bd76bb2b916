"""The errors a user of the client can meet, one class per reaction.

    DodonaError
    ├── ServerUnreachable         nobody answered for as long as `Retry` allows: see to the server or the address
    ├── ApiError                  the server answered with an error, in its own words
    │   ├── InvalidArgument       the call can never succeed: mend it
    │   ├── FailedPrecondition    not in the state the study or trial is in: look at it first
    │   ├── Unauthenticated       the token is missing or wrong
    │   ├── PermissionDenied      the token is known, and this is not allowed with it
    │   ├── NotFound              there is no such study or trial
    │   ├── AlreadyExists         the name belongs to a study that differs from the one asked for
    │   ├── Aborted               somebody else was first; a worker goes on to its next trial
    │   ├── ResourceExhausted     too much or too many: ask for less, or later
    │   └── ServerError           the server failed; its log says why
    ├── StudyCompleted            the study has no trial left to hand out: the work is done
    └── NothingReported           a trial ended without a result: report one, or call `fail`

What is wrong before anything is sent (a space that makes no sense, a value out of its range) is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from dodona._text import visible
from dodona_schemas.problems import problem_in
from dodona_schemas.status import ErrorResponse


class DodonaError(Exception):
    """The root of the tree."""


class ServerUnreachable(DodonaError):
    """Nobody answered at the server's address.

    Args:
        url: the address.
        waited_seconds: how long the call was tried.
        cause: the last failure.
        proxy: what stands between, such as "the proxy http://proxy:3128 from HTTP_PROXY"; None for nothing.
    """

    def __init__(self, url: str, waited_seconds: float, cause: Exception, proxy: str | None = None) -> None:
        super().__init__(url, waited_seconds, cause, proxy)
        self.url = url
        self.waited_seconds = waited_seconds
        self.cause = cause
        self.proxy = proxy

    def __str__(self) -> str:
        words = str(self.cause) or type(self.cause).__name__
        waited = f"within {self.waited_seconds:.0f} s ({words})"
        if self.proxy is None:
            hint = "is 'dodona serve' running there, and is DODONA_URL right?"
            return f"no server answered at {self.url} {waited}; {hint}"
        hint = "does the proxy reach the server? If none is needed, name the server's host in NO_PROXY"
        return f"no server answered at {self.url} through {self.proxy} {waited}; {hint}"


class ApiError(DodonaError):
    """The server answered with an error.

    Args:
        code: the HTTP status.
        status: google.rpc's name of the error, such as "NOT_FOUND".
        message: the server's words.
    """

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(code, status, message)
        self.code = code
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return visible(self.message)


class InvalidArgument(ApiError):
    """The call can never succeed; the message names the field and what is allowed there."""


class FailedPrecondition(ApiError):
    """The study or trial is in a state that does not allow the call."""


class Unauthenticated(ApiError):
    """The token is missing or wrong; give it as `token=` or in DODONA_TOKEN."""


class PermissionDenied(ApiError):
    """The caller is known and may not do this."""


class NotFound(ApiError):
    """There is no such study or trial."""


class AlreadyExists(ApiError):
    """The name belongs to a study that differs from the one asked for; the message names the first difference."""


class Aborted(ApiError):
    """Somebody else was first, such as the worker a trial was handed on to."""


class ResourceExhausted(ApiError):
    """Too much or too many at once."""


class ServerError(ApiError):
    """The server failed on this request; its log has the details."""


class StudyCompleted(DodonaError):
    """The study has no trial left to hand out.

    Args:
        study: the study's display name.
        reason: what completed the study; empty if it is not completed, but other workers run the last of its trials.
    """

    def __init__(self, study: str, reason: str = "") -> None:
        super().__init__(study, reason)
        self.study = study
        self.reason = reason

    def __str__(self) -> str:
        reason = self.reason or "other workers run the last ones"
        return f"the study {self.study!r} has no trial left to hand out: {reason}"


class NothingReported(DodonaError):
    """A trial ended without a result.

    Args:
        number: the trial's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return (
            f"trial {self.number} ended without a result and was marked infeasible; "
            "call trial.report(...) or trial.complete(...) before its block ends"
        )


_BY_STATUS: dict[str, type[ApiError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": InvalidArgument,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "ABORTED": Aborted,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "INTERNAL": ServerError,
    "UNAVAILABLE": ServerError,
    "DEADLINE_EXCEEDED": ServerError,
    "UNIMPLEMENTED": ServerError,
}

_BY_CODE: dict[int, type[ApiError]] = {
    400: InvalidArgument,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Aborted,
    429: ResourceExhausted,
}


def error_from_answer(code: int, content: bytes, proxy: str | None = None) -> ApiError:
    """The error that an answer stands for, by its google.rpc status first and by its HTTP status else.

    Args:
        code: the HTTP status.
        content: the body; that of a proxy may hold anything.
        proxy: what stands between; None for nothing that is known here.
    """
    try:
        error = ErrorResponse.model_validate_json(content).error
    except ValidationError:
        shown = content[:200].decode(errors="replace").strip()
        sender = proxy or "a proxy or another server"
        message = f"HTTP {code}, not from Dodona but from {sender}: {shown!r}"
        return _class_of_code(code)(code, "UNKNOWN", message)
    return _BY_STATUS.get(error.status, _class_of_code(code))(code, error.status, error.message)


def _class_of_code(code: int) -> type[ApiError]:
    return ServerError if code >= 500 else _BY_CODE.get(code, ApiError)


@contextmanager
def named_problems(field: str = "") -> Iterator[None]:
    """Raises ValueError for a message that its block makes of wrong values, with the field and the value.

    Args:
        field: where the message stands among the caller's arguments; empty if its fields are the arguments.
    """
    try:
        yield
    except ValidationError as error:
        raise ValueError(problem_in(error, field)) from None


def _classes(root: type[DodonaError]) -> Iterator[type[DodonaError]]:
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


for _class in _classes(DodonaError):
    # As users import them: the last line of a traceback has the whole name.
    _class.__module__ = "dodona"
