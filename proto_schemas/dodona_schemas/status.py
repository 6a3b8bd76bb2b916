"""google.rpc.Status: the one shape of every error answer."""

from __future__ import annotations

from typing import Any

from dodona_schemas.base import WireModel


class Status(WireModel):
    """What went wrong: the HTTP status, the words for people and the canonical name of the code."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]] = []


class ErrorResponse(WireModel):
    """The body of every answer that is not a success."""

    error: Status
