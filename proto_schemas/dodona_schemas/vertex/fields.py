"""What several messages have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dodona_schemas.base import WireModel

MAX_CHECKPOINT_LENGTH = 4096
# What a client calls one of its requests, so that it is done once however often it is sent.
RequestId = Annotated[str, Field(max_length=128)]


class EmptyRequest(WireModel):
    """A call without arguments of Vertex's."""

    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class Empty(WireModel):
    """An answer without content."""
