"""proto3's JSON mapping for pydantic: the base model, the enums, and the scalars that JSON lacks.

Requests are read as protobuf's own parser reads them:

- names in camelCase or snake_case, and unknown fields ignored;
- enums by name or number, 64-bit integers as numbers or strings, doubles also as "NaN" and "Infinity";
- durations as "3.5s" or as an object;
- null as an absent field.

Answers are written in one form only.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import UTC, datetime
from numbers import Integral
from typing import Annotated, Any, ClassVar, ParamSpec, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

Fields = ParamSpec("Fields")
Message = TypeVar("Message")

_ENUMS_AS_NUMBERS = {"enums": "numbers"}
_NULL = {"type": "null"}
# Marks a field in JSON schemas that Google's protocols lack.
OWN = "x-dodona-own"
_ABOUT = ("title", "description", "default", "examples", OWN)
# The Python types of a number on the wire.
_OF_JSON = {int, float, str}


def _with_null(field: JsonSchemaValue, *, null: bool) -> JsonSchemaValue:
    """Return the schema of a field that may be null (an absent field of a request) or never is (in answers)."""
    about: JsonSchemaValue = {key: field[key] for key in _ABOUT if key in field}
    content = {key: value for key, value in field.items() if key not in about}
    choices = [choice for choice in content.pop("anyOf", [content]) if choice and choice != _NULL]
    if not choices:  # anything at all
        return about
    if null:
        choices.append(_NULL)
    return {**({"anyOf": choices} if len(choices) > 1 else choices[0]), **about}


_CONFIG = ConfigDict(
    alias_generator=to_camel,
    populate_by_name=True,
    extra="ignore",
    ser_json_inf_nan="strings",
)


class _Proto3:
    """Schema rules of every message: null is an absent field, on the wire and in its JSON schema."""

    __slots__ = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        message = handler.resolve_ref_schema(described)
        fields = message.get("properties", {})
        required = message.get("required", ()) if handler.mode == "validation" else fields
        for name, field in fields.items():
            fields[name] = _with_null(field, null=name not in required)
        return described


class WirePart(_Proto3):
    """Base of dataclasses that are parts of messages: read and written like a `WireModel`.

    For parts of which an answer has many. The constructor of a dataclass costs a fifteenth of a model's, and does not
    validate. Declare them with `@dataclass(slots=True)`.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG


class WireModel(_Proto3, BaseModel):
    """A message of the protocol: camelCase on the wire, snake_case in Python."""

    model_config = _CONFIG

    def to_json(self, *, enums_as_numbers: bool = False) -> bytes:
        """Return the message as JSON, without fields that have no value; zeros and empty lists are included."""
        context = _ENUMS_AS_NUMBERS if enums_as_numbers else None
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True, context=context)


def own(about: str, default: Any = None, **limits: Any) -> Any:
    """Return a field that is Dodona's own: Google's protocols lack it, and other clients ignore it.

    The OpenAPI document and the list in docs/protocol.md say so, and answers in which Google's SDK refuses unknown
    fields omit it.

    Args:
        about: what the field means, as the documents say it.
        default: the value of an absent field.
        limits: further arguments of pydantic's `Field`.
    """
    return Field(default, description=f"Dodona's own: {about}.", json_schema_extra={OWN: True}, **limits)


def own_fields(model: type[WireModel]) -> dict[str, str]:
    """Return what each field means that is Dodona's own, by the field's name in Python."""
    marked = {name: field for name, field in model.model_fields.items() if _is_own(field)}
    return {name: (field.description or "").partition(": ")[2] for name, field in marked.items()}


def _is_own(field: FieldInfo) -> bool:
    return isinstance(field.json_schema_extra, dict) and OWN in field.json_schema_extra


def unchecked(model: Callable[Fields, Message]) -> Callable[Fields, Message]:
    """Return a constructor of the model that does not validate, for values that already have the model's types.

    It costs half of the constructor. Pydantic's `model_construct` costs as much as validation, because it computes the
    defaults each time.

    Args:
        model: a subclass of `WireModel`. Messages share the lists and dicts of the defaults: replace them, do not
            modify them.
    """
    template = cast(type[WireModel], model)()

    def make(*_: Fields.args, **values: Fields.kwargs) -> Message:
        return cast(Message, template.model_copy(update=values))

    return make


class WireEnum(enum.IntEnum):
    """An enum of the protocol: read by name or number, written by name."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Return the member with that name or number.

        Raises:
            ValueError: no member has it; the message lists the members.
        """
        try:
            if isinstance(value, str):
                return cls(int(value)) if value.isdigit() else cls[value]
            return cls(_no_boolean(value))
        except (KeyError, ValueError):
            allowed = ", ".join(cls.__members__)
            raise ValueError(f"{value!r} is not one of {allowed}") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(write_enum, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        names: JsonSchemaValue = {"type": "string", "enum": list(cls.__members__)}
        if handler.mode == "serialization":
            return names
        numbers = {"type": "integer", "enum": [member.value for member in cls]}
        return {"anyOf": [names, numbers, {"type": "string", "pattern": "^[0-9]+$"}]}


def write_enum(member: WireEnum, info: SerializationInfo) -> str | int:
    """Return the member as the answer has it: its name, or its number where the client wants numbers."""
    return int(member) if enums_as_numbers(info) else member.name


def enums_as_numbers(info: SerializationInfo) -> bool:
    """Return whether the client wants numbers for the members of enums."""
    return info.context is _ENUMS_AS_NUMBERS


# The limits of google.protobuf.Duration and google.protobuf.Timestamp.
MAX_DURATION_SECONDS = 315_576_000_000
_MAX_EPOCH_SECONDS = 253_402_300_799
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse_duration(value: Any) -> Any:
    """Return seconds from "3.5s", {"seconds": 3, "nanos": 500000000} or a number.

    Raises:
        ValueError: the value is none of these, or longer than 10 000 years.
    """
    try:
        if isinstance(value, dict) and value.keys() <= {"seconds", "nanos"}:
            seconds = _count(value.get("seconds")) + _count(value.get("nanos")) / 1e9
        elif isinstance(value, str):
            seconds = float(value.removesuffix("s"))
        else:
            seconds = _count(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a duration; write seconds as in '3.5s'") from None
    if not -MAX_DURATION_SECONDS <= seconds <= MAX_DURATION_SECONDS:
        raise ValueError(f"{value!r} is not a duration; at most {MAX_DURATION_SECONDS} seconds are possible")
    return seconds


def _count(value: Any) -> float:
    return 0.0 if value is None else float(_no_boolean(value))


def format_duration(seconds: float) -> str:
    """Return a duration in proto3's JSON form, to the microsecond: "3.500s"."""
    whole, fraction = f"{seconds:.6f}".split(".")
    return f"{whole}.{fraction[:3] if fraction.endswith('000') else fraction}s"


def _no_boolean(value: Any) -> Any:
    """Return the value; a NumPy integer as Python's own, because pydantic would read it as a float."""
    kind = type(value)
    if kind in _OF_JSON:
        return value
    if kind is bool or getattr(getattr(value, "dtype", None), "kind", "") == "b":
        raise ValueError(f"{value!r} is not a number")
    return int(value) if isinstance(value, Integral) else value


def _in_utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
        possible = moment.timestamp() <= _MAX_EPOCH_SECONDS
    except OverflowError:
        possible = False
    if not possible:
        raise ValueError(f"{value.isoformat()} is not from year 1 to year 9999 in UTC")
    return moment


def _rfc_3339(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _TIMESTAMP.fullmatch(value)):
        return value
    raise ValueError(f"{value!r} is not a time; write one as in '2030-01-31T15:00:00Z'")


_DIGITS = {"type": "string", "pattern": "^-?[0-9]+$"}
_DECIMAL = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|-?Infinity)$"

Int32 = Annotated[
    int,
    BeforeValidator(_no_boolean),
    Field(ge=-(2**31), le=2**31 - 1),
    WithJsonSchema({"type": "integer", "format": "int32"}, mode="serialization"),
    WithJsonSchema({"anyOf": [{"type": "integer", "format": "int32"}, _DIGITS]}, mode="validation"),
]
"""A 32-bit integer: a number on the wire, read from a string of digits too."""

Int64 = Annotated[
    int,
    BeforeValidator(_no_boolean),
    Field(ge=-(2**63), le=2**63 - 1),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({**_DIGITS, "format": "int64"}, mode="serialization"),
    WithJsonSchema(
        {"anyOf": [{**_DIGITS, "format": "int64"}, {"type": "integer", "format": "int64"}]}, mode="validation"
    ),
]
"""A 64-bit integer: a string of digits on the wire, read from a number too."""

Double = Annotated[
    float,
    BeforeValidator(_no_boolean),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]},
        mode="serialization",
    ),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": _DECIMAL}]}, mode="validation"),
]
"""A double; "NaN", "Infinity" and "-Infinity" are the values that JSON lacks."""

Number = Annotated[
    int | float,
    BeforeValidator(_no_boolean),
    WithJsonSchema({"type": "number"}, mode="serialization"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": _DECIMAL}]}, mode="validation"),
]
"""A number that is returned as it was sent: 64 does not become 64.0."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false, and no other value."""

Item = TypeVar("Item")
# The most entries of a map in a request, to bound the work; the server may store fewer.
MAX_ENTRIES = 1000

Repeated = Annotated[list[Item], FailFast()]
"""A list, checked up to its first wrong entry."""

TextMap = Annotated[dict[str, str], Field(max_length=MAX_ENTRIES)]
"""A map of strings."""

OptionMap = Annotated[dict[str, bool | int | float | str], Field(max_length=MAX_ENTRIES)]
"""A map of values of several types."""

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "google-duration", "examples": ["3.500s"]}, mode="serialization"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s?$", "examples": ["3.500s"]},
                {"type": "number"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {name: {"type": ["number", "string", "null"]} for name in ("seconds", "nanos")},
                },
            ]
        },
        mode="validation",
    ),
]
"""Seconds; "3.500s" on the wire."""

Timestamp = Annotated[datetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
"""A time: RFC 3339 on the wire, read with Z or an offset, written with Z."""
