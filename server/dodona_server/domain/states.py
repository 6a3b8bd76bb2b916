"""Common part of the tables of states: verbs that change nothing, and verbs that are refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ignore:
    """The verb changes nothing; the answer is the trial as it is."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The verb is refused, unless the request repeats exactly what the trial already has."""

    reason: str
