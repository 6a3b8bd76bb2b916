"""Errors of the framework and of routes, in the form of all error answers."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from dodona_schemas.problems import problem_of
from dodona_server.api.front.errors import bug, domain_response, error_response
from dodona_server.domain.errors import DodonaError

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
_METHODS = ("GET", "POST", "PUT", "DELETE")


def install(app: FastAPI) -> None:
    """Make `app` answer every error in this form."""
    app.add_exception_handler(DodonaError, _domain_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _validation_error)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, bug)  # raised again after the answer, up to `errors.around`


async def _domain_error(_request: Request, error: DodonaError) -> Response:
    return domain_response(error)


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
