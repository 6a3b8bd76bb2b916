"""Errors of the client, one class per reaction.

    DodonaError
    ├── ServerUnreachable         no answer for as long as `Retry` allows: check the server or the address
    ├── ApiError                  the server answered with an error
    │   ├── InvalidArgument       the call can never succeed: correct it
    │   ├── FailedPrecondition    the state of the study or trial does not allow it: look at it first
    │   ├── Unauthenticated       the token is missing or wrong
    │   ├── PermissionDenied      the token is known, but does not allow the call
    │   ├── NotFound              there is no such study or trial
    │   ├── AlreadyExists         a study with this name and another spec exists
    │   ├── Aborted               another client was first; a worker continues with its next trial
    │   ├── ResourceExhausted     too much or too many: ask for less, or later
    │   └── ServerError           the server failed; its log says why
    ├── StudyCompleted            the study has no trial left to hand out: the work is done
    │   └── WorkerStopped         somebody asked this worker to stop: others continue
    └── NothingReported           a trial ended without a result: report one, or call `fail`

A mistake that shows before the call (an invalid space, a value out of its range) is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from dodona._text import visible
from dodona_schemas.problems import problem_in
from dodona_schemas.status import ErrorResponse


class DodonaError(Exception):
    """Base class of the client's errors."""


class ServerUnreachable(DodonaError):
    """No server answered at the address.

    Args:
        url: the address.
        waited_seconds: how long the client tried.
        cause: the last failure.
        proxy: the proxy on the way, such as "the proxy http://proxy:3128 from HTTP_PROXY"; None without one.
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
        message: the server's error text.
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
    """The token is missing or wrong; pass it as `token=` or in DODONA_TOKEN."""


class PermissionDenied(ApiError):
    """The token is known, but does not allow the call."""


class NotFound(ApiError):
    """There is no such study or trial."""


class AlreadyExists(ApiError):
    """A study with this name and another spec exists; the message names the first difference."""


class Aborted(ApiError):
    """Another client was first, such as the worker that has the trial now."""


class ResourceExhausted(ApiError):
    """Too much or too many at once: ask for less, or later."""


class ServerError(ApiError):
    """The server failed on this request; its log has the details."""


class StudyCompleted(DodonaError):
    """The study has no trial left to hand out.

    Args:
        study: the study's display name.
        reason: what completed the study; empty if it is not completed and other workers run its last trials.
    """

    def __init__(self, study: str, reason: str = "") -> None:
        super().__init__(study, reason)
        self.study = study
        self.reason = reason

    def __str__(self) -> str:
        reason = self.reason or "other workers run the last ones"
        return f"the study {self.study!r} has no trial left to hand out: {reason}"


class WorkerStopped(StudyCompleted):
    """Somebody asked this worker to stop: it gets no more trials of the study, but other workers do.

    Args:
        study: the study's display name.
        worker: the worker's id.
    """

    def __init__(self, study: str, worker: str) -> None:
        super().__init__(study, f"the worker {worker!r} was asked to stop")
        self.worker = worker

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.study, self.worker)

    def __str__(self) -> str:
        again = f"`dodona workers resume {self.worker}` resumes it"
        return f"the worker {self.worker!r} was asked to stop and gets no more trials of {self.study!r}; {again}"


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
    """Return the error for an answer, by its google.rpc status if it has one, else by its HTTP status.

    Args:
        code: the HTTP status.
        content: the body; a proxy's may hold anything.
        proxy: the proxy on the way; None without a known one.
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
    """Raise a pydantic error of the block as ValueError, with the field and the value.

    Args:
        field: the argument that holds the message; empty if the message's fields are the arguments.
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
    # The public module: the last line of a traceback shows the whole name.
    _class.__module__ = "dodona"
