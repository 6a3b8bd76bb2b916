"""Static files of the pages, kept in memory, below a path that changes with their content."""

from __future__ import annotations

import functools
import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources

_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}


@dataclass(frozen=True)
class Asset:
    """A file and its path."""

    path: str
    media_type: str
    content: bytes

    @functools.cached_property
    def compressed(self) -> bytes:
        """Content as gzip; compressed on first use, because the charts' library is large."""
        return gzip.compress(self.content, mtime=0)


def load_assets() -> dict[str, Asset]:
    """Return all static files by file name.

    All have the same folder, so that modules import each other by their file names.
    """
    folder = resources.files("dodona_server.web").joinpath("static")
    contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir(), key=lambda file: file.name)}
    version = hashlib.sha256(b"".join(contents.values())).hexdigest()[:12]
    return {
        name: Asset(f"/static/{version}/{name}", _MEDIA_TYPES[name.rpartition(".")[2]], content)
        for name, content in contents.items()
    }
