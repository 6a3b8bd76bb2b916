"""Lists of studies for people."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dodona_server.domain.study import Study, StudyState


class StudyOrder(enum.StrEnum):
    """The order of a list of studies."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    TRIALS = "trials"


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies a list shows: those whose name or path contains `text`, in `state` if it is given.

    `projects` are those that it may show; None for all.
    """

    text: str = ""
    state: StudyState | None = None
    order: StudyOrder = StudyOrder.NEWEST
    projects: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study and how far it is.

    Args:
        study: without its metadata.
        finished: the number of trials that have ended.
        running: the number of trials that run.
        workers: the number of clients that run them.
        best: the best value of the first metric; None if no trial has succeeded.
        active_time: when a trial last started, ended or showed that it is alive, in seconds since the epoch.
    """

    study: Study
    finished: int
    running: int
    workers: int
    best: float | None
    active_time: float
