"""The discovery document of this dialect, from which googleapiclient builds a client.

It has no `auth` block, so that clients do not look for Google credentials. Its schemas come from the wire models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from dodona_schemas import caip as wire
from dodona_schemas.base import WireModel
from dodona_schemas.vertex import Empty, EmptyRequest

_LOCATION = "projects/[^/]+/locations/[^/]+"
_STUDY = f"{_LOCATION}/studies/[^/]+"
_TRIAL = f"{_STUDY}/trials/[^/]+"
_OPERATION = f"{_LOCATION}/operations/[^/]+"


@dataclass(frozen=True, slots=True)
class _Method:
    """A call: its verb, its path variable and that variable's pattern, the rest of the path, its messages."""

    verb: str
    variable: str
    pattern: str
    suffix: str
    request: type[WireModel] | None
    response: type[WireModel]


def _get(pattern: str, response: type[WireModel]) -> _Method:
    return _Method("GET", "name", pattern, "", None, response)


def _list(pattern: str, suffix: str, response: type[WireModel]) -> _Method:
    return _Method("GET", "parent", pattern, suffix, None, response)


def _delete(pattern: str) -> _Method:
    return _Method("DELETE", "name", pattern, "", None, Empty)


def _post(
    pattern: str, suffix: str, request: type[WireModel], response: type[WireModel], variable: str = "name"
) -> _Method:
    return _Method("POST", variable, pattern, suffix, request, response)


_STUDIES = {
    "create": _post(_LOCATION, "/studies", wire.MlStudy, wire.MlStudy, "parent"),
    "get": _get(_STUDY, wire.MlStudy),
    "list": _list(_LOCATION, "/studies", wire.MlListStudiesResponse),
    "delete": _delete(_STUDY),
}
_TRIALS = {
    "suggest": _post(_STUDY, "/trials:suggest", wire.MlSuggestTrialsRequest, wire.MlOperation, "parent"),
    "create": _post(_STUDY, "/trials", wire.MlTrial, wire.MlTrial, "parent"),
    "get": _get(_TRIAL, wire.MlTrial),
    "list": _list(_STUDY, "/trials", wire.MlListTrialsResponse),
    "listOptimalTrials": _post(
        _STUDY, "/trials:listOptimalTrials", EmptyRequest, wire.MlListOptimalTrialsResponse, "parent"
    ),
    "addMeasurement": _post(_TRIAL, ":addMeasurement", wire.MlAddTrialMeasurementRequest, wire.MlTrial),
    "checkEarlyStoppingState": _post(_TRIAL, ":checkEarlyStoppingState", EmptyRequest, wire.MlOperation),
    "stop": _post(_TRIAL, ":stop", EmptyRequest, wire.MlTrial),
    "complete": _post(_TRIAL, ":complete", wire.MlCompleteTrialRequest, wire.MlTrial),
    "delete": _delete(_TRIAL),
}
_OPERATIONS = {
    "get": _get(_OPERATION, wire.MlOperation),
    "cancel": _post(_OPERATION, ":cancel", EmptyRequest, Empty),
}
_KEPT = ("type", "format", "enum", "description")
_STUDY_ID = {
    "studyId": {
        "description": "The last part of the study's name; by default, the server generates a number.",
        "location": "query",
        "type": "string",
    }
}


def document(root: str) -> dict[str, Any]:
    """Return the discovery document of a server whose calls are below the URL `root`."""
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "ml:v1",
        "name": "ml",
        "version": "v1",
        "title": "Dodona",
        "description": "The studies and trials of Dodona in the dialect of AI Platform v1.",
        "protocol": "rest",
        "rootUrl": root,
        "baseUrl": root,
        "servicePath": "",
        "basePath": "",
        "batchPath": "batch",
        **_body(),
    }


@cache
def _body() -> dict[str, Any]:
    studies = {
        "methods": _written("studies", _STUDIES),
        "resources": {"trials": {"methods": _written("studies.trials", _TRIALS)}},
    }
    studies["methods"]["create"]["parameters"] |= _STUDY_ID
    locations = {"resources": {"operations": {"methods": _written("operations", _OPERATIONS)}, "studies": studies}}
    return {
        "parameters": {"alt": {"default": "json", "enum": ["json"], "location": "query", "type": "string"}},
        "schemas": _schemas(),
        "resources": {"projects": {"resources": {"locations": locations}}},
    }


def _written(resource: str, methods: dict[str, _Method]) -> dict[str, Any]:
    return {name: _write_method(f"ml.projects.locations.{resource}.{name}", one) for name, one in methods.items()}


def _write_method(method_id: str, method: _Method) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": method_id,
        "path": f"v1/{{+{method.variable}}}{method.suffix}",
        "httpMethod": method.verb,
        "parameterOrder": [method.variable],
        "parameters": {
            method.variable: {
                "location": "path",
                "pattern": f"^{method.pattern}$",
                "required": True,
                "type": "string",
            }
        },
        "response": {"$ref": method.response.__name__},
    }
    if method.request is not None:
        written["request"] = {"$ref": method.request.__name__}
    return written


def _schemas() -> dict[str, Any]:
    methods = [*_STUDIES.values(), *_TRIALS.values(), *_OPERATIONS.values()]
    messages = {message for method in methods for message in (method.request, method.response) if message is not None}
    _, written = models_json_schema([(message, "serialization") for message in messages], ref_template="{model}")
    return {name: {"id": name, **_simplified(schema)} for name, schema in written["$defs"].items()}


def _simplified(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema in the smaller language of discovery documents."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) > 1 and all("$ref" in choice for choice in choices):
        return {"type": "object", "additionalProperties": {"type": "any"}}
    if choices:
        return _simplified(choices[0])
    simple: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if "items" in schema:
        simple["items"] = _simplified(schema["items"])
    if schema.get("type") == "object":
        simple["properties"] = {name: _simplified(one) for name, one in schema.get("properties", {}).items()}
    return simple
