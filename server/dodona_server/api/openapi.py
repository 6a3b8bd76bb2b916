"""The OpenAPI document: FastAPI's, completed with what applies to all routes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.routing import Route

from dodona_server.aside import aside

Document = dict[str, Any]

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}
# The name and the meaning of each error that all calls share.
_ERRORS = {
    "400": ("Invalid", "The request is not valid, or the resource is in another state"),
    "401": ("Unauthenticated", "The server has a token, and the request did not bring it"),
    "403": ("Denied", "Another web site sent this, or the server has no token and was asked from another machine"),
    "404": ("NotFound", "There is no such resource"),
    "408": ("TooSlow", "The request did not arrive in time; send it again"),
    "413": ("TooLarge", "The body is too large"),
    "415": ("NotJson", "The body is not JSON"),
    "414": ("LongTarget", "The path with its query is too long"),
    "429": ("Guessing", "Too many wrong tokens came from the address"),
    "431": ("LargeHead", "The head is too large, or has too many headers"),
    "500": ("Internal", "A bug: the server's log has it"),
    "503": ("Unavailable", "The server cannot answer now; send the same request again"),
}
_ANYWHERE = ("401", "403", "408", "414", "429", "431", "500")
_OF_RESOURCES = ("400", "404", "503")
_WITH_BODY = ("413", "415")

_ID = r"^[A-Za-z0-9_.\-]{1,128}$"
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "project": {"description": "Any; the Python client uses `default`", "pattern": _ID, "example": "default"},
    "location": {"description": "Any; the Python client uses `local`", "pattern": _ID, "example": "local"},
    "study": {"description": "The study's id", "pattern": _ID, "example": "digits"},
    "trial": {"description": "The trial's number", "pattern": "^[1-9][0-9]{0,17}$", "example": "1"},
    "artifact": {
        "description": "The file's name",
        "pattern": r"^[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,99}$",
        "example": "model.weights.h5",
    },
    "operation": {
        "description": "The operation's id",
        "pattern": _ID,
        "example": "stopcheck.digits.1.0.1735689600000",
    },
}

_METRICS = [{"metricId": "loss", "value": 0.25}]
_MEASUREMENT = {"stepCount": "10", "elapsedDuration": "3.500s", "metrics": _METRICS}
_PARAMETERS = [
    {
        "parameterId": "learning_rate",
        "doubleValueSpec": {"minValue": 0.0001, "maxValue": 0.1},
        "scaleType": "UNIT_LOG_SCALE",
    },
    {
        "parameterId": "optimizer",
        "categoricalValueSpec": {"values": ["adam", "sgd"]},
        "conditionalParameterSpecs": [
            {
                "parentCategoricalValues": {"values": ["sgd"]},
                "parameterSpec": {"parameterId": "momentum", "doubleValueSpec": {"minValue": 0, "maxValue": 0.99}},
            }
        ],
    },
]
_CHOSEN = [
    {"parameterId": "learning_rate", "value": 0.01},
    {"parameterId": "optimizer", "value": "sgd"},
    {"parameterId": "momentum", "value": 0.9},
]
_ML_MEASUREMENT = {"stepCount": "10", "elapsedTime": "3.500s", "metrics": [{"metric": "loss", "value": 0.25}]}

# An example body for each request message. All of them are for one study, `digits`.
EXAMPLES: dict[str, Document] = {
    "AddParametersRequest": {
        "parameters": [
            {"parameterId": "dropout", "doubleValueSpec": {"minValue": 0, "maxValue": 0.5, "defaultValue": 0}}
        ]
    },
    "AddTrialMeasurementRequest": {"measurement": _MEASUREMENT},
    "CompleteTrialRequest": {"finalMeasurement": _MEASUREMENT},
    "CreateTrialRequest": {"parameters": _CHOSEN, "requestId": "my-first-guess"},
    "EmptyRequest": {},
    "HeartbeatTrialRequest": {"attempt": 1},
    "LookupStudyRequest": {"displayName": "Digits"},
    "SetMaxTrialsRequest": {"maxNumTrials": 200},
    "PauseStudyRequest": {"reason": "the machine is needed for something else"},
    "ReleaseTrialRequest": {"attempt": 1},
    "ReportTrialsRequest": {"reports": [{"trial": "1", "measurement": _MEASUREMENT}]},
    "CreateStudyRequest": {
        "studyId": "digits",
        "displayName": "Digits",
        "studySpec": {
            "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
            "parameters": _PARAMETERS,
            "studyStoppingConfig": {"maxNumTrials": 100},
        },
    },
    "SuggestTrialsRequest": {"clientId": "worker-1", "suggestionCount": 1, "leaseDuration": "60s"},
    "UpdateMetadataRequest": {"metadata": {"owner": "ada", "no longer needed": ""}},
    "MlAddTrialMeasurementRequest": {"measurement": _ML_MEASUREMENT},
    "MlCompleteTrialRequest": {"finalMeasurement": _ML_MEASUREMENT},
    "MlStudy": {
        "studyConfig": {
            "metrics": [{"metric": "loss", "goal": "MINIMIZE"}],
            "parameters": [
                {
                    "parameter": "learning_rate",
                    "type": "DOUBLE",
                    "doubleValueSpec": {"minValue": 0.0001, "maxValue": 0.1},
                    "scaleType": "UNIT_LOG_SCALE",
                }
            ],
        }
    },
    "MlSuggestTrialsRequest": {"clientId": "worker-1", "suggestionCount": 1},
    "MlTrial": {
        "parameters": [
            {"parameter": "learning_rate", "floatValue": 0.01},
            {"parameter": "optimizer", "stringValue": "sgd"},
            {"parameter": "momentum", "floatValue": 0.9},
        ]
    },
}

_TAGS = {
    "studies": "A study is a search over one space, shared by any number of workers.",
    "trials": "A trial is one evaluation: parameters handed to a worker and what it measured.",
    "artifacts": "Files that belong to a trial, such as the weights of its model.",
    "operations": "What calls were answered with. All operations are done when they are answered.",
    "AI Platform": "The same studies and trials in the dialect of AI Platform v1, which tensorflow-cloud speaks.",
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
    app.router.routes.insert(0, Route("/openapi.json", document, include_in_schema=False))


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield the method, path and description of each call."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _complete(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # validation errors get 400 like other errors
        schemas.pop(name, None)
    used = set()
    for _, path, operation in operations(document):
        used.update(operation["tags"])
        _complete_parameters(path, operation)
        if body := operation.get("requestBody"):
            _complete_body(body)
        _complete_responses(path, operation)
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            field.pop("title", None)  # repeats the name
    components = document["components"]
    components["parameters"] = {name: _path_parameter(name) for name in _PATH_PARAMETERS}
    components["responses"] = {name: {"description": about, "content": _ERROR} for name, about in _ERRORS.values()}
    components["securitySchemes"] = _SECURITY
    document["tags"] = [{"name": name, "description": about} for name, about in _TAGS.items() if name in used]
    # Any one of them is enough; none is needed if the server has no token.
    document["security"] = [{}, *({name: []} for name in _SECURITY)]


def _complete_parameters(path: str, operation: Document) -> None:
    # In OpenAPI, the content types of the responses describe "Accept".
    given = [one for one in operation.get("parameters", []) if one["name"].lower() != "accept"]
    others = [one for one in given if one["in"] != "path"]
    for parameter in others:
        parameter["schema"].pop("title", None)
        parameter["schema"].pop("description", None)
    named = [{"$ref": f"#/components/parameters/{name}"} for name in re.findall(r"{(\w+)}", path)]
    if parameters := named + others:
        operation["parameters"] = parameters


def _path_parameter(name: str) -> Document:
    about = dict(_PATH_PARAMETERS[name])
    pattern = about.pop("pattern")
    return {"name": name, "in": "path", "required": True, **about, "schema": {"type": "string", "pattern": pattern}}


def _complete_body(body: Document) -> None:
    body.pop("required", None)  # an empty body is an empty message
    content = body["content"].get("application/json")
    if content is None:
        return
    message = content["schema"]["$ref"].rpartition("/")[2].removesuffix("-Input")
    content["example"] = EXAMPLES[message]


def _complete_responses(path: str, operation: Document) -> None:
    responses = operation["responses"]
    responses["200"]["description"] = "Done"
    if operation["tags"] == ["health"]:
        possible = [code for code in responses if code in _ERRORS]
    else:
        possible = [*_ANYWHERE, *(_OF_RESOURCES if "{" in path else ())]
    if "application/json" in operation.get("requestBody", {}).get("content", ()):
        possible += _WITH_BODY
    own = {code: {**responses[code], "content": _ERROR} for code in responses.keys() - _ERRORS.keys() - {"200", "422"}}
    shared = {code: {"$ref": f"#/components/responses/{_ERRORS[code][0]}"} for code in possible}
    operation["responses"] = {"200": responses["200"], **dict(sorted({**own, **shared}.items()))}
