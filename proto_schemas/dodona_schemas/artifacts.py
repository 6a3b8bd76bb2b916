"""Artifacts, the files of trials: Dodona's own, in the style of Vertex."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Int32, Int64, WireModel


class Artifact(WireModel):
    """A file of a trial; with `alt=media` the same call returns its content."""

    name: str = ""
    size_bytes: Int64 = 0
    sha256: str = ""
    attempt: Int32 = 0
    create_time: datetime | None = None


class ListArtifactsResponse(WireModel):
    """A page of artifacts."""

    artifacts: list[Artifact] = []
    next_page_token: str = ""
