"""Files that belong to trials: Dodona's own, in the style of Vertex."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Int32, Int64, WireModel


class Artifact(WireModel):
    """A file of a trial; its content is what the same call answers with `alt=media`."""

    name: str = ""
    size_bytes: Int64 = 0
    sha256: str = ""
    attempt: Int32 = 0
    create_time: datetime | None = None


class ListArtifactsResponse(WireModel):
    """A page of artifacts."""

    artifacts: list[Artifact] = []
    next_page_token: str = ""
