"""Error answers: every error is a google.rpc.Status; `framework_errors` turns those of the framework into it."""

from __future__ import annotations

import logging

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

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

# How long a client waits before it asks a project that is full again.
QUOTA_PAUSE_SECONDS = "30"
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


def around(app: ASGIApp) -> ASGIApp:
    """Return an app that answers as `app` does, and turns unexpected exceptions into error answers."""
    return ServerErrorMiddleware(app, handler=_logged_bug)


def domain_response(error: DodonaError) -> Response:
    """Return the answer for a domain error."""
    code, status = next(_CODES[cls] for cls in type(error).__mro__ if cls in _CODES)
    headers = {"Retry-After": QUOTA_PAUSE_SECONDS} if isinstance(error, QuotaExceeded) else None
    return error_response(code, status, error.named(vertex_field), headers)


async def _logged_bug(request: Request, error: Exception) -> Response:
    # The ASGI server logs the traceback after this line.
    logger.error("%s %s failed", request.method, request.scope["path"])
    return await bug(request, error)


async def bug(_request: Request, _error: Exception) -> Response:
    """Return the answer for an exception that nobody expected."""
    return error_response(500, "INTERNAL", "the server failed on this request; its log has the details")
