"""OpenAPI document: FastAPI's, completed from the table of calls and with what all calls have in common."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.routing import Route

from dodona_schemas.base import OWN
from dodona_server.api.calls.call import Call
from dodona_server.api.calls.examples import EXAMPLES
from dodona_server.api.calls.table import CALLS, row
from dodona_server.aside import aside
from dodona_server.domain.access.roles import ANYONE, RULES

Document = dict[str, Any]

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}
# The name and the meaning of each error that all calls share.
_ERRORS = {
    "400": ("Invalid", "The request is not valid, or the resource is in another state"),
    "401": ("Unauthenticated", "The server has a token, and the request did not bring it"),
    "403": (
        "Denied",
        "The token's role does not allow it, another site sent it, or the server is open to its own machine only",
    ),
    "404": ("NotFound", "There is no such resource"),
    "408": ("TooSlow", "The request did not arrive in time; send it again"),
    "413": ("TooLarge", "The body is too large"),
    "415": ("NotJson", "The body is not JSON"),
    "414": ("LongTarget", "The path with its query is too long"),
    "429": (
        "TooOften",
        "Ask again after `Retry-After` seconds; without it, too many wrong tokens came from the address",
    ),
    "431": ("LargeHead", "The head is too large, or has too many headers"),
    "500": ("Internal", "A bug: the server's log has it"),
    "503": ("Unavailable", "The server cannot answer now; send the same request again"),
}
_ANYWHERE = ("401", "403", "408", "414", "429", "431", "500")
_OF_RESOURCES = ("404", "503")
_WITH_PARAMETERS = ("400",)
_WITH_BODY = ("400", "413", "415")

_ID = r"^[A-Za-z0-9_.\-]{1,128}$"
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "project": {"description": "Any; the Python client uses `default`", "pattern": _ID, "example": "default"},
    "location": {"description": "Any; the Python client uses `local`", "pattern": _ID, "example": "local"},
    "study": {"description": "The study's id", "pattern": _ID, "example": "digits"},
    "trial": {"description": "The trial's number", "pattern": "^[1-9][0-9]{0,17}$", "example": "1"},
    "deleted_study": {
        "description": "The study's id among the deleted ones",
        "pattern": "^[0-9]{1,18}$",
        "example": "7",
    },
    "webhook": {"description": "The webhook's id", "pattern": "^[0-9a-f]{16}$", "example": "0123456789abcdef"},
    "artifact": {
        "description": "The file's name",
        "pattern": r"^[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,99}$",
        "example": "model.weights.h5",
    },
    "token": {
        "description": "The token's id, which is not a secret",
        "pattern": "^[0-9a-f]{12}$",
        "example": "0123456789ab",
    },
    "user": {"description": "The user's name", "pattern": "^.{1,128}$", "example": "ada"},
    "operation": {
        "description": "The operation's id",
        "pattern": _ID,
        "example": "stopcheck.digits.1.0.1735689600000",
    },
}

_TAGS = {
    "studies": "A study is a search over one space, shared by any number of workers.",
    "trials": "A trial is one evaluation: parameters handed to a worker and what it measured.",
    "artifacts": "Files that belong to a trial, such as the weights of its model.",
    "webhooks": "Places that get the events of a project's studies.",
    "deletedStudies": "Studies that were deleted and can be restored.",
    "operations": "What calls were answered with. All operations are done when they are answered.",
    "tokens": "Tokens say who may do what. Their secrets are shown once and stored nowhere.",
    "users": "People who sign in with a name, and their roles.",
    "caller": "Who makes a call, and what they may do.",
    "audit": "Who did what, from where, to what.",
    "AI Platform": "The same studies and trials in the dialect of AI Platform v1, which tensorflow-cloud speaks.",
    "workers": "The clients that ask studies for trials; all of it is Dodona's own.",
    "health": "For containers, load balancers and start scripts; they need no token.",
}
_SECURITY: Document = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The server's token, if it has one"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key", "description": "The same token"},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name, the token as password"},
}


def install(app: FastAPI) -> None:
    """Make `app` serve the completed document."""
    plain = app.openapi

    def complete_once() -> Document:
        if app.openapi_schema is None:
            _complete(plain())
        return plain()

    app.openapi = complete_once  # type: ignore[method-assign]
    written = functools.cache(lambda: to_json(app.openapi()))

    async def document(_request: Request) -> Response:
        return Response(await aside(written), media_type="application/json")

    # Before the framework's own route, which builds the document on the event loop.
    app.router.routes.insert(0, Route(row("openapi_document").path, document, include_in_schema=False))


def _complete(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # validation errors get 400 like other errors
        schemas.pop(name, None)
    documented = [call for call in CALLS if call.documented]
    for call in documented:
        operation = document["paths"][call.served_at][call.method.lower()]
        if call.is_addition:
            _mark(operation)
        _complete_parameters(call, operation)
        _complete_body(call, operation)
        _complete_responses(call, operation)
    own = _messages(call for call in documented if call.is_addition)
    own -= _messages(call for call in documented if not call.is_addition)
    for name, schema in schemas.items():
        if name.partition("-")[0] in own:
            _mark(schema)
        for field in schema.get("properties", {}).values():
            field.pop("title", None)  # repeats the name
    components = document["components"]
    components["parameters"] = {name: _path_parameter(name) for name in _PATH_PARAMETERS}
    components["responses"] = {name: {"description": about, "content": _ERROR} for name, about in _ERRORS.values()}
    components["securitySchemes"] = _SECURITY
    used = {call.tag for call in documented}
    document["tags"] = [{"name": name, "description": about} for name, about in _TAGS.items() if name in used]
    # Any one of them is enough; none is needed if the server has no token.
    document["security"] = [{}, *({name: []} for name in _SECURITY)]


def _mark(described: Document) -> None:
    """Mark the description of a call or a message as Dodona's own."""
    about: str = described["description"]
    described |= {"description": f"Dodona's own: {about[0].lower()}{about[1:]}", OWN: True}


def _messages(calls: Iterable[Call]) -> set[str]:
    """Return the names of the messages that the calls read and answer."""
    contents = (content for call in calls for content in (call.request, *call.answers))
    return {content.__name__ for content in contents if isinstance(content, type)}


def _complete_parameters(call: Call, operation: Document) -> None:
    # In OpenAPI, the content types of the responses describe "Accept".
    given = [one for one in operation.get("parameters", []) if one["name"].lower() != "accept"]
    others = [one for one in given if one["in"] != "path"]
    for parameter in others:
        parameter["schema"].pop("title", None)
        parameter["schema"].pop("description", None)
    named = [{"$ref": f"#/components/parameters/{name}"} for name in re.findall(r"{(\w+)}", call.path)]
    if parameters := named + others:
        operation["parameters"] = parameters


def _path_parameter(name: str) -> Document:
    about = dict(_PATH_PARAMETERS[name])
    pattern = about.pop("pattern")
    return {"name": name, "in": "path", "required": True, **about, "schema": {"type": "string", "pattern": pattern}}


def _complete_body(call: Call, operation: Document) -> None:
    if call.request is None:
        return
    operation["requestBody"].pop("required", None)  # an empty body is an empty message
    if not isinstance(call.request, str):
        operation["requestBody"]["content"]["application/json"]["example"] = EXAMPLES[call.request]


def _complete_responses(call: Call, operation: Document) -> None:
    possible: tuple[str, ...] = () if RULES[call.name] is ANYONE else _ANYWHERE
    if "{" in call.path:
        possible += _OF_RESOURCES
    if operation.get("parameters"):
        possible += _WITH_PARAMETERS
    if call.request is not None and not isinstance(call.request, str):
        possible += _WITH_BODY
    shared = {code: {"$ref": f"#/components/responses/{_ERRORS[code][0]}"} for code in possible}
    own = {str(code): {"description": about, "content": _ERROR} for code, about in call.errors.items()}
    done = {**operation["responses"]["200"], "description": "Done"}
    operation["responses"] = {"200": done, **dict(sorted({**shared, **own}.items()))}
