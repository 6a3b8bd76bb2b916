"""States of trials: a table of what each verb does in each state, and texts from it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dodona_server.domain.errors import FailedPrecondition
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.trials.trial import Trial
from dodona_server.domain.trials.trial import TrialState as S


class Verb(enum.StrEnum):
    """An action on a trial."""

    CREATE = "create"
    IMPORT = "create with a result"
    ASSIGN = "suggest"
    MEASURE = "addTrialMeasurement"
    RECLAIM = "late report"
    HEARTBEAT = "heartbeat"
    RELEASE = "release"
    EXPIRE = "lease expires"
    STOP = "stop"
    SUCCEED = "complete"
    FAIL = "complete as infeasible"


@dataclass(frozen=True, slots=True)
class Move:
    """The verb moves the trial to the state `to`, which may be its present state; `when` says in which case."""

    to: S
    when: str = ""


Outcome = tuple[Move, ...] | Ignore | Refuse

_NOT_STARTED = Refuse("nobody is running it; ask for it with trials:suggest first")
_FINISHED = Refuse("it is finished, and a finished trial never changes")
_IS_NEW = Refuse("it does not exist yet")
_INVALID = "its result lacks a metric or is not finite"
_ENDED = (Move(S.SUCCEEDED), Move(S.INFEASIBLE, _INVALID))
_STOPPED = (Move(S.SUCCEEDED), Move(S.INFEASIBLE, f"{_INVALID}, or it has no measurement"))
_EXISTS: dict[S | None, Outcome] = dict.fromkeys(S, Refuse("it exists already"))

# What each verb does in each state; None is the state of a trial that does not exist yet.
TRANSITIONS: dict[Verb, dict[S | None, Outcome]] = {
    Verb.CREATE: _EXISTS | {None: (Move(S.REQUESTED),)},
    Verb.IMPORT: _EXISTS | {None: (Move(S.SUCCEEDED), Move(S.INFEASIBLE, "it says so"))},
    Verb.ASSIGN: {
        None: (Move(S.ACTIVE),),
        S.REQUESTED: (Move(S.ACTIVE),),
        S.ACTIVE: (Move(S.ACTIVE, "its own client asks"),),
        S.STOPPING: Refuse("it is being stopped"),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.MEASURE: {
        None: _IS_NEW,
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: (Move(S.ACTIVE),),
        S.STOPPING: (Move(S.STOPPING),),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: Ignore(),
    },
    Verb.RECLAIM: {
        None: _IS_NEW,
        S.REQUESTED: (Move(S.ACTIVE),),
        S.ACTIVE: Ignore(),
        S.STOPPING: Ignore(),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.HEARTBEAT: {
        None: _IS_NEW,
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: (Move(S.ACTIVE),),
        S.STOPPING: (Move(S.STOPPING),),
        S.SUCCEEDED: Ignore(),
        S.INFEASIBLE: Ignore(),
    },
    Verb.RELEASE: {
        None: _IS_NEW,
        S.REQUESTED: Ignore(),
        S.ACTIVE: (Move(S.REQUESTED), Move(S.INFEASIBLE, "the study is over")),
        S.STOPPING: _STOPPED,
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.EXPIRE: {
        None: _IS_NEW,
        S.REQUESTED: Ignore(),
        S.ACTIVE: (Move(S.REQUESTED), Move(S.INFEASIBLE, "it was lost too often, or the study is over")),
        S.STOPPING: _STOPPED,
        S.SUCCEEDED: Ignore(),
        S.INFEASIBLE: Ignore(),
    },
    Verb.STOP: {
        None: _IS_NEW,
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: (Move(S.STOPPING),),
        S.STOPPING: Ignore(),
        S.SUCCEEDED: Ignore(),
        S.INFEASIBLE: Refuse("it is infeasible already"),
    },
    Verb.SUCCEED: {
        None: _IS_NEW,
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: _ENDED,
        S.STOPPING: _ENDED,
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
    Verb.FAIL: {
        None: _IS_NEW,
        S.REQUESTED: _NOT_STARTED,
        S.ACTIVE: (Move(S.INFEASIBLE),),
        S.STOPPING: (Move(S.INFEASIBLE),),
        S.SUCCEEDED: _FINISHED,
        S.INFEASIBLE: _FINISHED,
    },
}


def why_refused(trial: Trial, verb: Verb) -> str:
    """Return why `verb` is refused for the trial; empty if it is not."""
    allowed = TRANSITIONS[verb][trial.state]
    return allowed.reason if isinstance(allowed, Refuse) else ""


def refusal(verb: enum.StrEnum, state: enum.StrEnum, name: object, reason: str) -> FailedPrecondition:
    """Return the error for a verb that the state does not allow.

    Args:
        verb: the refused action.
        state: the trial's or study's.
        name: the trial's or study's.
        reason: from the table.
    """
    return FailedPrecondition(f"cannot {verb} {name}, which is {state}: {reason}")


def diagram() -> str:
    """Return the state machine as a Mermaid diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    for state in (None, *S):
        for verb, row in TRANSITIONS.items():
            outcome = row[state]
            for move in outcome if isinstance(outcome, tuple) else ():
                label = f"{verb}, if {move.when}" if move.when else verb
                lines.append(f"    {state or '[*]'} --> {move.to}: {label}")
    lines += [f"    {state} --> [*]" for state in (S.SUCCEEDED, S.INFEASIBLE)]
    return "\n".join(lines)


def table() -> str:
    """Return the state machine as a table in Markdown, for the documentation."""
    lines = [f"| | {' | '.join(S)} |", f"| --- {'| --- ' * len(S)}|"]
    for verb, row in TRANSITIONS.items():
        if verb not in (Verb.CREATE, Verb.IMPORT):
            lines.append(f"| `{verb}` | {' | '.join(_written(row[state], state) for state in S)} |")
    return "\n".join(lines)


def _written(outcome: Outcome, state: S) -> str:
    if isinstance(outcome, tuple):
        others = [move.to for move in outcome if move.to is not state]
        return f"→ {' or '.join(others)}" if others else "accepted"
    return "no change" if isinstance(outcome, Ignore) else "refused"
