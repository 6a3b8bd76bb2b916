"""A call as data: its name, path, messages and answers."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from dodona_schemas.base import WireModel

_PROTOCOL = "/v1/"
# `CaipDispatch` moves AI Platform's requests below this path.
AIPLATFORM_ROOT = "/ml"


class Dialect(enum.Enum):
    """Protocol that a call belongs to. Vertex AI and AI Platform have paths in common: see `CaipDispatch`."""

    VERTEX = "vertex"
    AIPLATFORM = "aiplatform"
    OWN = "own"


Content = type[WireModel] | type[dict[str, Any]] | UnionType | str
"""What an answer contains: a message, one of several messages, or content of a media type."""

JSON_LINES = "application/x-ndjson"
OCTETS = "application/octet-stream"
EVENT_STREAM = "text/event-stream"
PARQUET = "application/vnd.apache.parquet"
CSV, HTML, JSON, TEXT = "text/csv", "text/html", "application/json", "text/plain"
MARKDOWN = "text/markdown"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the API, or a page.

    Args:
        name: the name of the function that answers it. Calls that differ only in their paths have the same one.
        method: the HTTP method.
        path: the template of the path to which clients send it.
        dialect: whose protocol it belongs to.
        request: the message that its body contains, or the body's media type; None if it has no body.
        answer: what the answer contains; a tuple if the client may choose.
        errors: the meanings of statuses that calls of its kind do not have in common.
        hot: whether the front answers it before FastAPI does.
        documented: whether it is in the OpenAPI document and in the discovery document.
    """

    name: str
    method: str
    path: str
    dialect: Dialect
    request: type[WireModel] | str | None
    answer: Content | tuple[Content, ...]
    errors: Mapping[int, str] = field(default_factory=dict, hash=False)
    hot: bool = False
    documented: bool = True

    @property
    def served_at(self) -> str:
        """Template of the path at which the server answers it."""
        return AIPLATFORM_ROOT + self.path if self.dialect is Dialect.AIPLATFORM else self.path

    @property
    def verb(self) -> str:
        """Part of the path after the colon at its end; empty if there is none."""
        match = re.search(r":(\w+)$", self.path)
        return match[1] if match else ""

    @property
    def is_addition(self) -> bool:
        """Whether it is a call of Dodona's own among those of the protocol."""
        return self.dialect is Dialect.OWN and self.path.startswith(_PROTOCOL)

    @property
    def tag(self) -> str:
        """Group of calls to which it belongs in the OpenAPI document."""
        if self.dialect is Dialect.AIPLATFORM:
            return "AI Platform"
        collections: list[str] = re.findall(
            r"/(studies|deletedStudies|trials|artifacts|operations|tokens|users|workers|webhooks|audit|caller)\b",
            self.path,
        )
        return collections[-1] if collections else "health"

    @property
    def answers(self) -> tuple[Content, ...]:
        """Content that the answer may have."""
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)


def pattern_of(path: str) -> re.Pattern[str]:
    """Return a pattern for the paths of a template; a colon in them precedes a verb, and is never part of an id."""
    return re.compile(re.sub(r"{\w+}", "([^/:]+)", path))
