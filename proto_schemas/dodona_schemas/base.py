"""proto3's JSON mapping for pydantic: the base model, the enums and the scalars that JSON lacks.

Requests are read leniently, as protobuf's own parser does: camelCase and snake_case names, enums by name or
number, 64-bit integers as numbers or strings, doubles also as "NaN" and "Infinity", durations as "3.5s" or as
an object, an explicit null as an absent field, unknown fields ignored. Answers are written in one form only.
"""

from __future__ import annotations

import enum
import math
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

_ENUMS_AS_NUMBERS = {"enums": "numbers"}


class WireModel(BaseModel):
    """A message of the protocol: camelCase on the wire, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        ser_json_inf_nan="strings",
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data

    def to_json(self, *, enums_as_numbers: bool = False) -> bytes:
        """The message as JSON; fields without a value are left out, zeros and empty lists are not."""
        context = _ENUMS_AS_NUMBERS if enums_as_numbers else None
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True, context=context)


class WireEnum(enum.IntEnum):
    """An enum of the protocol: read by name or number, written by name."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """The member that a name or a number stands for.

        Raises:
            ValueError: no member has it; the message names those that there are.
        """
        try:
            if isinstance(value, str):
                return cls(int(value)) if value.isdigit() else cls[value]
            return cls(value)
        except (KeyError, ValueError):
            allowed = ", ".join(cls.__members__)
            raise ValueError(f"{value!r} is none of {allowed}") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(_write_enum, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: Any) -> JsonSchemaValue:
        return {"type": "string", "enum": list(cls.__members__)}


def _write_enum(member: WireEnum, info: SerializationInfo) -> str | int:
    return int(member) if info.context is _ENUMS_AS_NUMBERS else member.name


def parse_duration(value: Any) -> Any:
    """Seconds from "3.5s", {"seconds": 3, "nanos": 500000000} or a number.

    Raises:
        ValueError: the value is none of these.
    """
    if isinstance(value, dict) and value.keys() <= {"seconds", "nanos"}:
        value = float(value.get("seconds", 0)) + float(value.get("nanos", 0)) / 1e9
    elif isinstance(value, str):
        try:
            value = float(value.removesuffix("s"))
        except ValueError:
            raise ValueError(f"{value!r} is no duration; write seconds as in '3.5s'") from None
    if isinstance(value, int | float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is no duration; it must be finite")
    return value


def format_duration(seconds: float) -> str:
    """A duration as proto3's JSON has it, to the microsecond: "3.500s"."""
    whole, fraction = f"{seconds:.6f}".split(".")
    return f"{whole}.{fraction[:3] if fraction.endswith('000') else fraction}s"


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return value


Int64 = Annotated[
    int,
    BeforeValidator(_no_boolean),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}),
]
"""A 64-bit integer: a string of digits on the wire, read from a number too."""

Double = Annotated[float, BeforeValidator(_no_boolean)]
"""A double; "NaN", "Infinity" and "-Infinity" stand for the values that JSON lacks."""

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "google-duration", "examples": ["3.500s"]}),
]
"""Seconds; "3.500s" on the wire."""
