"""Discovery document of this dialect, from which googleapiclient builds a client.

It has no `auth` block, so that clients do not look for Google credentials. Its schemas come from the wire models.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast

from pydantic.json_schema import models_json_schema

from dodona_schemas.base import WireModel
from dodona_server.api.calls.call import Call, Dialect
from dodona_server.api.calls.table import CALLS, LOCATION

_CALLS = [
    call for call in CALLS if call.dialect is Dialect.AIPLATFORM and call.documented and call.path.startswith(LOCATION)
]
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
    root: dict[str, Any] = {}
    for call in _CALLS:
        resource = root
        collections = re.findall(r"/([a-z]+)", call.path)[1:]  # without the version
        for name in collections:
            resource = resource.setdefault("resources", {}).setdefault(name, {})
        method = call.verb or call.name.partition("_")[0]
        resource.setdefault("methods", {})[method] = _write_method(f"ml.{'.'.join(collections)}.{method}", call)
    studies = root["resources"]["projects"]["resources"]["locations"]["resources"]["studies"]
    studies["methods"]["create"]["parameters"] |= _STUDY_ID
    return {
        "parameters": {"alt": {"default": "json", "enum": ["json"], "location": "query", "type": "string"}},
        "schemas": _schemas(),
        **root,
    }


def _write_method(method_id: str, call: Call) -> dict[str, Any]:
    # The resource that the call is about, and what follows it in the path; a collection belongs to its parent.
    resource, _, rest = call.path.rpartition("}")
    pattern = re.sub(r"{\w+}", "[^/]+", resource.removeprefix("/v1/") + "}")
    variable = "parent" if rest.startswith("/") else "name"
    written: dict[str, Any] = {
        "id": method_id,
        "path": f"v1/{{+{variable}}}{rest}",
        "httpMethod": call.method,
        "parameterOrder": [variable],
        "parameters": {
            variable: {"location": "path", "pattern": f"^{pattern}$", "required": True, "type": "string"},
        },
        "response": {"$ref": _model(call.answer).__name__},
    }
    if call.request is not None:
        written["request"] = {"$ref": _model(call.request).__name__}
    return written


def _schemas() -> dict[str, Any]:
    messages = {message for call in _CALLS for message in (call.request, call.answer) if message is not None}
    _, written = models_json_schema([(_model(one), "serialization") for one in messages], ref_template="{model}")
    return {name: {"id": name, **_simplified(schema)} for name, schema in written["$defs"].items()}


def _model(content: object) -> type[WireModel]:
    return cast("type[WireModel]", content)  # no call of this dialect has other content


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
