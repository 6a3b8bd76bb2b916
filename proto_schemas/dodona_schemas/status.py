"""google.rpc.Status: the form of every error answer."""

from __future__ import annotations

from typing import Any

from dodona_schemas.base import WireModel


class Status(WireModel):
    """An error: the HTTP status, a message for people, and the canonical name of the code."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]] = []


class ErrorResponse(WireModel):
    """Body of every answer with an error."""

    error: Status
