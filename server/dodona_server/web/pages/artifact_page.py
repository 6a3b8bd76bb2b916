"""Page of a file of a trial: images, text and tables are shown, anything else can be downloaded.

Anybody who runs a worker can upload any content, so none of it is served as a page. Text is part of a page of ours,
with its marks escaped. Images are served as one of the kinds that cannot contain scripts, if they begin like one.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from dodona_server.domain.artifact import Artifact
from dodona_server.domain.errors import NotFound
from dodona_server.domain.names import ArtifactName
from dodona_server.service.artifacts import ArtifactService

MAX_TEXT_BYTES = 64 * 1024
MAX_IMAGE_BYTES = 16 * 1024 * 1024
MAX_ROWS, MAX_COLUMNS = 200, 30
# How files of these kinds begin.
_IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_TABLES = {"csv": ",", "tsv": "\t"}


async def artifact_context(name: ArtifactName, artifacts: ArtifactService) -> dict[str, Any]:
    """Return the variables of the page's template.

    Raises:
        NotFound: there is no such study, trial or artifact.
    """
    artifact, beginning = await _beginning(name, artifacts, MAX_TEXT_BYTES)
    is_image = _image_type(beginning) is not None and artifact.size <= MAX_IMAGE_BYTES
    text = None if is_image else _text(beginning, whole=artifact.size <= len(beginning))
    ending = artifact.name.rpartition(".")[2].lower()
    rows = _rows(text, _TABLES[ending]) if text and ending in _TABLES else None
    return {
        "name": name,
        "artifact": artifact,
        "is_image": is_image,
        "text": text,
        "rows": rows,
        "cut": artifact.size > len(beginning),
    }


async def image_of(name: ArtifactName, artifacts: ArtifactService) -> tuple[str, bytes]:
    """Return the media type and the content of an image.

    Raises:
        NotFound: there is no such artifact, or it is no image that can be shown.
    """
    artifact, content = await _beginning(name, artifacts, MAX_IMAGE_BYTES)
    media_type = _image_type(content)
    if media_type is None or artifact.size > len(content):
        raise NotFound(f"{name} is not a PNG, JPEG, GIF or WebP of at most {MAX_IMAGE_BYTES} bytes")
    return media_type, content


def looks_like_image(artifact: Artifact) -> bool:
    """Return whether a file's name is that of an image that can be shown."""
    ending = artifact.name.rpartition(".")[2].lower()
    return ending in ("png", "jpg", "jpeg", "gif", "webp") and artifact.size <= MAX_IMAGE_BYTES


async def _beginning(name: ArtifactName, artifacts: ArtifactService, limit: int) -> tuple[Artifact, bytes]:
    artifact, pieces = await artifacts.read(name)
    content = b""
    async for piece in pieces:
        content += piece
        if len(content) >= limit:
            break
    return artifact, content[:limit]


def _image_type(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _IMAGES.items() if content.startswith(begin)), None)


def _text(content: bytes, *, whole: bool) -> str | None:
    """Return the content as text; None if it is none. The end of one that is cut may be within a character."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(content) - 4:
            return None
        text = content[: error.start].decode()
    return None if "\0" in text else text


def _rows(text: str, delimiter: str) -> list[list[str]] | None:
    """Return the first cells of a table; None if it has no rows of equal length."""
    try:
        rows = [row[:MAX_COLUMNS] for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    except csv.Error:
        return None
    return rows[: MAX_ROWS + 1] if len(rows) > 1 else None
