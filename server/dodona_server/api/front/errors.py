"""Error answers: every error is a google.rpc.Status, including those of the framework."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp

from dodona_schemas.problems import problem_of
from dodona_schemas.status import ErrorResponse, Status
from dodona_server.api.calls.fields import vertex_field
from dodona_server.domain.errors import (
    Aborted,
    AlreadyExists,
    DodonaError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    StorageFull,
    TooLarge,
    Unavailable,
)
from dodona_server.observation.logs import REQUEST_ID

logger = logging.getLogger(__name__)

# The HTTP status and the canonical code of each error class.
_CODES: dict[type[DodonaError], tuple[int, str]] = {
    InvalidArgument: (400, "INVALID_ARGUMENT"),
    FailedPrecondition: (400, "FAILED_PRECONDITION"),
    PermissionDenied: (403, "PERMISSION_DENIED"),
    NotFound: (404, "NOT_FOUND"),
    AlreadyExists: (409, "ALREADY_EXISTS"),
    Aborted: (409, "ABORTED"),
    TooLarge: (413, "INVALID_ARGUMENT"),
    QuotaExceeded: (429, "RESOURCE_EXHAUSTED"),
    StorageFull: (507, "RESOURCE_EXHAUSTED"),
    Unavailable: (503, "UNAVAILABLE"),
}

# The canonical code of each HTTP status that the framework may return.
_CANONICAL = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


# How long a client waits before it asks a project that is full again.
QUOTA_PAUSE_SECONDS = "30"
_METHODS = ("GET", "POST", "PUT", "DELETE")
# Messages quote the input, which may be long.
MAX_MESSAGE_LENGTH = 2000
# The type of the detail that names the request, by which its lines in the log are found.
REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"
# On every answer: a browser must not guess the type of content that a client uploaded.
NOSNIFF = {"X-Content-Type-Options": "nosniff"}


def error_response(code: int, status: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error answer."""
    if len(message) > MAX_MESSAGE_LENGTH:
        half = (MAX_MESSAGE_LENGTH - 3) // 2
        message = (
            f"{message[:half]}...{message[-half:]}"  # keeps both the field, at the start, and the reason, at the end
        )
    request_id = REQUEST_ID.get()
    details = [{"@type": REQUEST_INFO, "requestId": request_id}] if request_id else []
    body = ErrorResponse(error=Status(code=code, message=message, status=status, details=details))
    headers = {**NOSNIFF, **(headers or {})}
    return Response(body.to_json(), status_code=code, media_type="application/json", headers=headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every error in this form."""
    app.add_exception_handler(DodonaError, _domain_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _validation_error)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _bug)  # raised again after the answer, up to `around`


def around(app: ASGIApp) -> ASGIApp:
    """Return an app that answers as `app` does, and turns unexpected exceptions into error answers."""
    return ServerErrorMiddleware(app, handler=_logged_bug)


async def _domain_error(_request: Request, error: DodonaError) -> Response:
    return domain_response(error)


def domain_response(error: DodonaError) -> Response:
    """Return the answer for a domain error."""
    code, status = next(_CODES[cls] for cls in type(error).__mro__ if cls in _CODES)
    headers = {"Retry-After": QUOTA_PAUSE_SECONDS} if isinstance(error, QuotaExceeded) else None
    return error_response(code, status, error.named(vertex_field), headers)


async def _validation_error(_request: Request, error: RequestValidationError) -> Response:
    # The first part only says body, path or query.
    problem = problem_of([{**one, "loc": one["loc"][1:]} for one in error.errors()])
    return error_response(400, "INVALID_ARGUMENT", problem)


async def _http_error(request: Request, error: HTTPException) -> Response:
    message = str(error.detail)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        message = f"there is nothing at {request.scope['path']}"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not possible at {request.scope['path']}"
        headers["Allow"] = ", ".join(method for method in _METHODS if _is_possible(request, method))
    status = _CANONICAL.get(error.status_code, "UNKNOWN")
    return error_response(error.status_code, status, message, headers)


def _is_possible(request: Request, method: str) -> bool:
    """Return whether a call with this method exists; the framework only knows the methods of a single route."""
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)


async def _logged_bug(request: Request, error: Exception) -> Response:
    # The ASGI server logs the traceback after this line.
    logger.error("%s %s failed", request.method, request.scope["path"])
    return await _bug(request, error)


async def _bug(_request: Request, _error: Exception) -> Response:
    return error_response(500, "INTERNAL", "the server failed on this request; its log has the details")
