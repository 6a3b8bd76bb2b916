"""Artifacts: files that belong to a trial, such as the weights of its model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a trial.

    Args:
        number: the trial's.
        name: the file's, unique within the trial.
        blob: the name of the content in the artifact store.
        attempt: the attempt at the trial that saved it.
        size: in bytes.
        sha256: of the content, in hexadecimal digits.
        create_time: when the upload began, in seconds since the epoch.
        key: a number that grows with each upload.
    """

    number: int
    name: str
    blob: str
    attempt: int
    size: int = 0
    sha256: str = ""
    create_time: float = 0.0
    key: int = 0
