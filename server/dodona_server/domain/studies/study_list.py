"""Lists of studies for people."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.studies.study import Study, StudyState


class StudyOrder(enum.StrEnum):
    """Order of a list of studies."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    TRIALS = "trials"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Filter of a list of studies: those whose name or path contains `text`, in `state` if it is given.

    `projects` are those that it may show; None for all. `project` and `tag` are those of all shown studies; empty for
    any. `archived` is whether it shows the archived ones, instead of the others.
    """

    text: str = ""
    state: StudyState | None = None
    order: StudyOrder = StudyOrder.NEWEST
    projects: frozenset[str] | None = None
    project: str = ""
    tag: str = ""
    archived: bool = False


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study and how far it is.

    Args:
        study: the study.
        finished: the number of trials that have ended.
        running: the number of trials that run.
        workers: the number of clients that run them.
        best: the best value of the first metric; None if no trial has succeeded.
        busy_seconds: the total duration of its attempts, those that run included.
        history: number and value of some of its trials, in order, with the best one.
        active_time: when a trial last started, ended or showed that it is alive, in seconds since the epoch.
    """

    study: Study
    finished: int
    running: int
    workers: int
    best: float | None
    busy_seconds: float
    history: Sequence[tuple[int, float]]
    active_time: float
