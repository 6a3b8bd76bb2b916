"""What the discovery documents that google-api-python-client ships say an answer is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from importlib import resources
from typing import Any

import jsonschema
from pydantic.alias_generators import to_camel

from dodona_schemas import vertex as wire
from dodona_schemas.base import WireModel, own_fields

_NOTHING: AbstractSet[str] = frozenset()
_NOT_FINITE = {"enum": ["NaN", "Infinity", "-Infinity"]}
# By type and format, as proto3's JSON mapping writes the values.
_SCALARS: dict[tuple[str, str], dict[str, Any]] = {
    ("any", ""): {},
    ("boolean", ""): {"type": "boolean"},
    ("integer", "int32"): {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    ("number", "double"): {"anyOf": [{"type": "number"}, _NOT_FINITE]},
    ("string", ""): {"type": "string"},
    ("string", "int64"): {"type": "string", "pattern": r"^(0|-?[1-9][0-9]{0,18})$"},
    ("string", "google-duration"): {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    ("string", "google-datetime"): {
        "type": "string",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$",
    },
}


def json_schema(schema: Mapping[str, Any], own_fields: AbstractSet[str] = _NOTHING) -> dict[str, Any]:
    """A schema of a discovery document as a JSON schema that lets no other type pass, and no unknown key.

    Args:
        schema: the document's.
        own_fields: further keys that an object may have.
    """
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    if "enum" in schema:
        return {"enum": schema["enum"]}
    if schema["type"] == "array":
        return {"type": "array", "items": json_schema(schema["items"])}
    if schema["type"] == "object":
        fields: dict[str, Any] = {name: json_schema(field) for name, field in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties")
        return {
            "type": "object",
            "properties": fields | {name: {} for name in own_fields},
            "additionalProperties": json_schema(others) if others else False,
        }
    return _SCALARS[schema["type"], schema.get("format", "")]


class Document:
    """A discovery document.

    Args:
        file: its name in google-api-python-client.
        any_types: what stands before a schema's name in the `@type` of an Any, and what in the document.
        own_fields: what Dodona adds to messages. Any other key that the document does not know is a mistake.
    """

    def __init__(self, file: str, any_types: tuple[str, str], own_fields: Mapping[str, AbstractSet[str]]) -> None:
        self._file = file
        self._any_types = any_types
        self._own_fields = own_fields
        self._validators: dict[str, jsonschema.Draft202012Validator] = {}

    @cached_property
    def _content(self) -> dict[str, Any]:
        file = resources.files("googleapiclient.discovery_cache") / "documents" / self._file
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return content

    @cached_property
    def answers(self) -> dict[str, str]:
        """The name of the schema of each method's answer, by the method's id."""
        return dict(_answers(self._content))

    def check(self, message: Any, name: str) -> None:
        """Fails unless `message` is what the schema `name` says, and what an operation has in an Any too.

        Raises:
            jsonschema.ValidationError: it is not.
        """
        self._validator(name).validate(message)
        for operation in message.get("operations", ()):
            self.check(operation, "GoogleLongrunningOperation")
        if name == "GoogleLongrunningOperation":
            in_type, in_schema = self._any_types
            for part in {"metadata", "response"} & message.keys():
                inner = dict(message[part])
                type_name = inner.pop("@type")
                assert type_name.startswith(in_type)
                self.check(inner, in_schema + type_name.removeprefix(in_type))

    def _validator(self, name: str) -> jsonschema.Draft202012Validator:
        if name not in self._validators:
            definitions: dict[str, Any] = {}
            missing = {name}
            while missing:
                one = missing.pop()
                schema = self._content["schemas"][one]
                definitions[one] = json_schema(schema, self._own_fields.get(one, _NOTHING))
                missing |= set(_references(definitions[one])) - definitions.keys()
            whole = {"$ref": f"#/$defs/{name}", "$defs": definitions}
            self._validators[name] = jsonschema.Draft202012Validator(whole)
        return self._validators[name]


def _answers(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for method in resource.get("methods", {}).values():
        yield method["id"], method.get("response", {}).get("$ref", "")
    for child in resource.get("resources", {}).values():
        yield from _answers(child)


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


# By the name in Google's document.
_MESSAGES: dict[str, type[WireModel]] = {
    "Study": wire.Study,
    "StudySpec": wire.StudySpec,
    "StudySpecParameterSpec": wire.ParameterSpec,
    "StudySpecStudyStoppingConfig": wire.StudyStoppingConfig,
    "ListOptimalTrialsResponse": wire.ListOptimalTrialsResponse,
    "Trial": wire.Trial,
}
VERTEX = Document(
    "aiplatform.v1.json",
    ("type.googleapis.com/google.cloud.aiplatform.v1.", "GoogleCloudAiplatformV1"),
    {f"GoogleCloudAiplatformV1{name}": set(map(to_camel, own_fields(model))) for name, model in _MESSAGES.items()},
)
