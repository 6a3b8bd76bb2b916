"""Static files of the pages, kept in memory, with names that change with their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and its path."""

    path: str
    media_type: str
    content: bytes


def load_assets() -> dict[str, Asset]:
    """Return all static files by file name."""
    assets = {}
    for file in resources.files("dodona_server.web").joinpath("static").iterdir():
        stem, _, ending = file.name.rpartition(".")
        content = file.read_bytes()
        version = hashlib.sha256(content).hexdigest()[:12]
        assets[file.name] = Asset(f"/static/{stem}.{version}.{ending}", _MEDIA_TYPES[ending], content)
    return assets
