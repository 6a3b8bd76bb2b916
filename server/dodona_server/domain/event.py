"""Events: what happened in a study, in order."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class EventKind(enum.StrEnum):
    """Kind of an event."""

    STUDY_CREATED = "STUDY_CREATED"
    STUDY_PAUSED = "STUDY_PAUSED"
    STUDY_RESUMED = "STUDY_RESUMED"
    STUDY_COMPLETED = "STUDY_COMPLETED"
    PARAMETERS_ADDED = "PARAMETERS_ADDED"
    PRIOR_STUDIES_FOUND = "PRIOR_STUDIES_FOUND"
    MAX_TRIALS_CHANGED = "MAX_TRIALS_CHANGED"
    BUDGET_CHANGED = "BUDGET_CHANGED"
    STOPPING_RULE_CHANGED = "STOPPING_RULE_CHANGED"
    WANTED_WORKERS_CHANGED = "WANTED_WORKERS_CHANGED"
    HINTS_CHANGED = "HINTS_CHANGED"
    STUDY_RENAMED = "STUDY_RENAMED"
    STUDY_ARCHIVED = "STUDY_ARCHIVED"
    STUDY_UNARCHIVED = "STUDY_UNARCHIVED"
    WORKER_STOPPED = "WORKER_STOPPED"
    WORKER_RESUMED = "WORKER_RESUMED"
    SUGGESTION_FALLBACK = "SUGGESTION_FALLBACK"
    TRIAL_LOST = "TRIAL_LOST"
    TRIAL_REQUESTED = "TRIAL_REQUESTED"
    TRIAL_ACTIVE = "TRIAL_ACTIVE"
    TRIAL_STOPPING = "TRIAL_STOPPING"
    TRIAL_SUCCEEDED = "TRIAL_SUCCEEDED"
    TRIAL_INFEASIBLE = "TRIAL_INFEASIBLE"
    TRIAL_DELETED = "TRIAL_DELETED"

    @classmethod
    def _missing_(cls, value: object) -> EventKind:
        """Return a kind that a newer server has stored: during an upgrade older ones still run."""
        kind = str.__new__(cls, value)
        kind._name_ = kind._value_ = str(value)
        return kind


class ActorKind(enum.StrEnum):
    """Kinds of actors."""

    CLIENT = "client"
    SERVER = "server"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Actor:
    """Cause of an event: a worker by its client id, the server itself, or a user."""

    kind: ActorKind
    client_id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.client_id}" if self.client_id else str(self.kind)

    @classmethod
    def read(cls, text: str) -> Actor | None:
        """Return the actor that `str` wrote; None for an empty text."""
        kind, _, client_id = text.partition(":")
        return cls(ActorKind(kind), client_id) if kind else None


SERVER = Actor(ActorKind.SERVER)
USER = Actor(ActorKind.USER)


@dataclass(frozen=True, slots=True)
class EventPosition:
    """A position among a study's events: by an event's number, or by its key while it has no number."""

    is_number: bool
    value: int


@dataclass(frozen=True, slots=True)
class Event:
    """Event of a study.

    Args:
        kind: what happened.
        time: when, in seconds since the epoch.
        trial_number: of the trial, if it is about one.
        detail: text for people, such as the reason or the client.
        number: its number among the study's events, from 1 without gaps; 0 while it has none.
        actor: who caused it; None for an event that an older server stored.
    """

    kind: EventKind
    time: float
    trial_number: int | None = None
    detail: str = ""
    number: int = 0
    actor: Actor | None = None
