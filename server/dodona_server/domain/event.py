"""Events: what happened in a study, in order."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class EventKind(enum.StrEnum):
    """What happened."""

    STUDY_CREATED = "STUDY_CREATED"
    STUDY_PAUSED = "STUDY_PAUSED"
    STUDY_RESUMED = "STUDY_RESUMED"
    STUDY_COMPLETED = "STUDY_COMPLETED"
    PARAMETERS_ADDED = "PARAMETERS_ADDED"
    MAX_TRIALS_CHANGED = "MAX_TRIALS_CHANGED"
    SUGGESTION_FALLBACK = "SUGGESTION_FALLBACK"
    TRIAL_LOST = "TRIAL_LOST"
    TRIAL_REQUESTED = "TRIAL_REQUESTED"
    TRIAL_ACTIVE = "TRIAL_ACTIVE"
    TRIAL_STOPPING = "TRIAL_STOPPING"
    TRIAL_SUCCEEDED = "TRIAL_SUCCEEDED"
    TRIAL_INFEASIBLE = "TRIAL_INFEASIBLE"
    TRIAL_DELETED = "TRIAL_DELETED"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a study.

    Args:
        kind: what happened.
        time: when, in seconds since the epoch.
        trial_number: of the trial, if it is about one.
        detail: text for people, such as the reason or the client.
        number: its number among the study's events, from 1 without gaps; 0 while it has none.
    """

    kind: EventKind
    time: float
    trial_number: int | None = None
    detail: str = ""
    number: int = 0
