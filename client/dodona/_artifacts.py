"""Files that the server keeps with a trial, such as the weights of its model."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import httpx

from dodona._errors import ServerError
from dodona._http.transport import Transport
from dodona_schemas import artifacts as wire
from dodona_schemas.vertex import Empty

PIECE_BYTES = 2**20
# How often content that does not match its digest is fetched.
MAX_FETCHES = 3


@dataclass(frozen=True)
class Artifact:
    """A file that the server keeps with a trial; `attempt` saved it, `sha256` is the digest of its content."""

    trial: int
    name: str
    size: int
    sha256: str
    attempt: int

    def is_same_as(self, path: str | os.PathLike[str]) -> bool:
        """Return whether the file at `path` has the same content."""
        return os.path.getsize(path) == self.size and sha256_of(path).hex() == self.sha256


class Artifacts:
    """Files of one trial, by name: `trial.artifacts`, or `study.artifacts(number)` for any trial.

    Iterating yields the existing files, by name. A file appears and disappears whole: no reader sees a part of one. A
    transfer that does not match the digest is repeated. A name is 1 to 100 letters, digits, `_`, `.` and `-`.

    Args:
        transport: sends the calls.
        trial: the trial's path, below the location.
        attempt: the attempt that this worker runs, so that it changes nothing after it has lost the trial; None for
            a client that does not run the trial.
        patience_seconds: how long to try to change something; None for as long as `Retry` says.
    """

    def __init__(
        self, transport: Transport, trial: str, attempt: int | None = None, patience_seconds: float | None = None
    ) -> None:
        self._transport = transport
        self._patience = patience_seconds
        self._path = f"{trial}/artifacts"
        self._query = "" if attempt is None else f"?attempt={attempt}"

    def __iter__(self) -> Iterator[Artifact]:
        listed = self._transport.call("GET", self._path, None, wire.ListArtifactsResponse)
        return map(artifact_of, listed.artifacts)

    def save(self, name: str, path: str | os.PathLike[str]) -> Artifact:
        """Save a copy of a file on the server; it replaces an earlier file of that name.

        Args:
            name: the file's name on the server.
            path: the file on this machine.

        Raises:
            OSError: the file cannot be read.
            Aborted: the trial was lost to another worker.
            ResourceExhausted: the server has no room left.
            ApiError: the server refused; for example, the file is larger than it allows.
            ServerUnreachable: the server does not answer.
        """
        size, digest = os.path.getsize(path), sha256_of(path)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        }
        saved = self._transport.upload(
            self._at(name) + self._query, lambda: _pieces(path), headers, wire.Artifact, patience=self._patience
        )
        return artifact_of(saved)

    def load(self, name: str, path: str | os.PathLike[str]) -> Path:
        """Fetch a file; if this raises, an earlier file at `path` is unchanged.

        Args:
            name: the file's name on the server.
            path: where to put it; its folder must exist.

        Returns:
            The path.

        Raises:
            NotFound: there is no such file.
            OSError: `path` cannot be written.
            ApiError: the server refused.
            ServerUnreachable: the server does not answer.
        """
        target, fetches = Path(path), 0
        # With the file mode that the user's files have by default.
        temporary = target.with_name(f".{secrets.token_hex(16)}")
        try:
            with temporary.open("xb") as file:

                def receive(response: httpx.Response) -> None:
                    nonlocal fetches
                    fetches += 1
                    if _is_received(response, file):
                        return
                    message = f"{name} did not match its digest in {fetches} downloads"
                    if fetches == MAX_FETCHES:
                        raise ServerError(500, "DATA_LOSS", message)
                    raise httpx.ReadError(message)

                self._transport.download(f"{self._at(name)}?alt=media", receive)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return target

    def find(self, name: str) -> Artifact:
        """Return the server's record of a file.

        Raises:
            NotFound: there is no such file.
        """
        return artifact_of(self._transport.call("GET", self._at(name), None, wire.Artifact))

    def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            NotFound: there is no such file.
            Aborted: the trial was lost to another worker.
        """
        self._transport.call("DELETE", self._at(name) + self._query, None, Empty, patience=self._patience)

    def _at(self, name: str) -> str:
        # Dots alone would mean folders; encoded, they reach the server, which refuses them.
        part = quote(name, safe="").replace(".", "%2E") if name in (".", "..") else quote(name, safe="")
        return f"{self._path}/{part}"


def artifact_of(message: wire.Artifact) -> Artifact:
    """Return the artifact in a message of the server."""
    path, _, name = message.name.rpartition("/artifacts/")
    return Artifact(int(path.rpartition("/")[2]), name, message.size_bytes, message.sha256, message.attempt)


def sha256_of(path: str | os.PathLike[str]) -> bytes:
    """Return the SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _pieces(path: str | os.PathLike[str]) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _is_received(response: httpx.Response, file: IO[bytes]) -> bool:
    """Write the content to a file from its beginning; return whether it matches its digest."""
    file.seek(0)
    file.truncate()
    digest = hashlib.sha256()
    for piece in response.iter_bytes(PIECE_BYTES):
        file.write(piece)
        digest.update(piece)
    expected = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    return bool(response.headers.get("Content-Digest") == expected)
