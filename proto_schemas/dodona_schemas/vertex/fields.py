"""Fields that several messages share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dodona_schemas.base import WireModel

MAX_CHECKPOINT_LENGTH = 4096
# A client's id for a request, so that the server does it once however often it is sent.
RequestId = Annotated[str, Field(max_length=128)]


class EmptyRequest(WireModel):
    """A call without arguments in Vertex's protocol."""

    # Dodona's own: the same id again returns the same answer, for a day.
    request_id: RequestId | None = None


class Empty(WireModel):
    """An empty answer."""
