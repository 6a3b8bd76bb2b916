"""Fields that several messages share."""

from __future__ import annotations

from typing import Any

from dodona_schemas.base import WireModel, own

MAX_CHECKPOINT_LENGTH = 4096


def own_request_id() -> Any:
    """Return the field with a client's id for a request, so that the server does it once however often it is sent."""
    return own("the same id again returns the same answer, for a day", max_length=128)


class EmptyRequest(WireModel):
    """A call without arguments in Vertex's protocol."""

    request_id: str | None = own_request_id()


class Empty(WireModel):
    """An empty answer."""
