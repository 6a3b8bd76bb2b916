"""Artifacts: files that belong to a trial, such as the weights of its model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a trial.

    Args:
        number: the trial's.
        name: the file's, one of a trial's.
        blob: the name under which the artifact store has the content.
        attempt: which attempt at the trial has saved it.
        size: in bytes.
        sha256: of the content, in hexadecimal digits.
        create_time: when it was sent, in seconds since the epoch.
        key: its place in the order in which artifacts were sent.
    """

    number: int
    name: str
    blob: str
    attempt: int
    size: int = 0
    sha256: str = ""
    create_time: float = 0.0
    key: int = 0
