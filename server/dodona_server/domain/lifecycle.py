"""The state machines of trials and studies: tables of what each verb does in each state.

A finished trial never changes. A verb whose work is already done changes nothing, so every call may be sent again.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dodona_server.domain.errors import FailedPrecondition
from dodona_server.domain.study import StudyState
from dodona_server.domain.trial import TrialState as S


class Verb(enum.StrEnum):
    """An action on a trial."""

    ASSIGN = "suggest"
    MEASURE = "addTrialMeasurement"
    RECLAIM = "late report"
    HEARTBEAT = "heartbeat"
    RELEASE = "release"
    EXPIRE = "lease expires"
    STOP = "stop"
    SUCCEED = "complete"
    FAIL = "complete as infeasible"


class StudyVerb(enum.StrEnum):
    """An action on a study's state."""

    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Move:
    """The verb moves the trial to the state `to`, which may be its present state."""

    to: S


@dataclass(frozen=True, slots=True)
class MoveStudy:
    """The verb moves the study to the state `to`."""

    to: StudyState


@dataclass(frozen=True, slots=True)
class Ignore:
    """The verb changes nothing; the answer is the trial as it is."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The verb is refused, unless the request repeats exactly what the trial already has."""

    reason: str


Effect = Move | Ignore | Refuse

_NOT_STARTED = Refuse("nobody is running it; ask for it with trials:suggest first")
_FINISHED = Refuse("it is finished, and a finished trial never changes")

TRANSITIONS: dict[Verb, dict[S, Effect]] = {
    Verb.ASSIGN: {
        S.REQUESTED: Move(S.ACTIVE),
        S.ACTIVE: Ignore(),
        S.STOPPING: Refuse("it is being stopped"),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.MEASURE: {
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: Move(S.ACTIVE),
        S.STOPPING: Move(S.STOPPING),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: Ignore(),
    },
    Verb.RECLAIM: {
        S.REQUESTED: Move(S.ACTIVE),
        S.ACTIVE: Ignore(),
        S.STOPPING: Ignore(),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.HEARTBEAT: {
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: Move(S.ACTIVE),
        S.STOPPING: Move(S.STOPPING),
        S.SUCCEEDED: Ignore(),
        S.INFEASIBLE: Ignore(),
    },
    Verb.RELEASE: {
        S.REQUESTED: Ignore(),
        S.ACTIVE: Move(S.REQUESTED),
        S.STOPPING: Move(S.SUCCEEDED),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.EXPIRE: {
        S.REQUESTED: Ignore(),
        S.ACTIVE: Move(S.REQUESTED),
        S.STOPPING: Move(S.SUCCEEDED),
        S.SUCCEEDED: Ignore(),
        S.INFEASIBLE: Ignore(),
    },
    Verb.STOP: {
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: Move(S.STOPPING),
        S.STOPPING: Ignore(),
        S.SUCCEEDED: Ignore(),
        S.INFEASIBLE: Refuse("it is infeasible already"),
    },
    Verb.SUCCEED: {
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: Move(S.SUCCEEDED),
        S.STOPPING: Move(S.SUCCEEDED),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.FAIL: {
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: Move(S.INFEASIBLE),
        S.STOPPING: Move(S.INFEASIBLE),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
}


STUDY_TRANSITIONS: dict[StudyVerb, dict[StudyState, MoveStudy | Ignore | Refuse]] = {
    StudyVerb.PAUSE: {
        StudyState.ACTIVE: MoveStudy(StudyState.INACTIVE),
        StudyState.INACTIVE: Ignore(),
        StudyState.COMPLETED: Refuse("it suggests no trials that could be paused"),
    },
    StudyVerb.RESUME: {
        StudyState.ACTIVE: Ignore(),
        StudyState.INACTIVE: MoveStudy(StudyState.ACTIVE),
        StudyState.COMPLETED: MoveStudy(StudyState.ACTIVE),
    },
    StudyVerb.COMPLETE: {
        StudyState.ACTIVE: MoveStudy(StudyState.COMPLETED),
        StudyState.INACTIVE: MoveStudy(StudyState.COMPLETED),
        StudyState.COMPLETED: Ignore(),
    },
}


def effect(verb: Verb, state: S) -> Effect:
    """Return the effect of `verb` on a trial in `state`."""
    return TRANSITIONS[verb][state]


def refusal(verb: Verb | StudyVerb, state: S | StudyState, name: object, reason: str) -> FailedPrecondition:
    """Return the error for a verb that the state does not allow.

    Args:
        verb: the refused action.
        state: the trial's or study's.
        name: the trial's or study's.
        reason: from the table.
    """
    return FailedPrecondition(f"cannot {verb} {name}, which is {state}: {reason}")


def diagram() -> str:
    """Return the trial's state machine as a Mermaid diagram, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {S.REQUESTED}: create", f"    [*] --> {S.ACTIVE}: {Verb.ASSIGN}"]
    lines.append(f"    [*] --> {S.SUCCEEDED}: create with a result")
    for state in S:
        for verb, row in TRANSITIONS.items():
            result = row[state]
            if isinstance(result, Move):
                lines.append(f"    {state} --> {result.to}: {verb}")
    lines += [f"    {state} --> [*]" for state in (S.SUCCEEDED, S.INFEASIBLE)]
    return "\n".join(lines)
