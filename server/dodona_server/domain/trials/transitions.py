"""Changes of trials: the trial, the events and the effects that follow from a verb; see also `trial_states`.

`transition` alone makes a trial of another state. A service loads the trial and the facts, calls `transition`, and
saves what it returns. A finished trial never changes. A verb whose work is already done changes nothing, so every call
may be sent again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dodona_server.domain.event import Actor, Event, EventKind
from dodona_server.domain.reasons import shortened
from dodona_server.domain.space import Value
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.trials.trial import STOPPING_REASON, FinalResult, Lease, Measurement, Trial
from dodona_server.domain.trials.trial import TrialState as S
from dodona_server.domain.trials.trial_states import TRANSITIONS, Verb

# A report extends a lease only after this part of it has passed: every write costs.
LEASE_PART_LEFT_ALONE = 0.2
NO_MEASUREMENT = FinalResult(None, "it was stopped before it measured anything")


class Effect(enum.StrEnum):
    """Changes to store for a trial besides its events."""

    INSERT = "the new trial"
    ASSIGN = "its client, its attempt and its lease"
    RECLAIM = "that its client has it again"
    RENEW_LEASE = "its renewed lease"
    KEEP_CHECKPOINT = "its checkpoint"
    REQUEUE = "that it waits, and who lost it"
    STOP = "that it is asked to stop, and why"
    END = "its end; its study's budget counts it"


@dataclass(frozen=True, slots=True)
class Step:
    """Trial after a verb, what happened, and what has to be stored."""

    trial: Trial
    events: Sequence[Event] = ()
    effects: Sequence[Effect] = ()

    def then(self, later: Step) -> Step:
        """Return this step and a later one of the same trial as a single step."""
        return Step(later.trial, [*self.events, *later.events], [*self.effects, *later.effects])


@dataclass(frozen=True, slots=True)
class Draft:
    """A trial that is about to be created; `measurements` are known already, and whether it was stopped early."""

    number: int
    parameters: Mapping[str, Value]
    metadata: Mapping[str, str]
    measurements: Sequence[Measurement] = ()
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts on which a verb depends besides the trial.

    Args:
        now: the time, in seconds since the epoch.
        actor: who causes it.
        draft: the trial to create, for CREATE, IMPORT and an ASSIGN without a trial.
        lease: that the client asks for, for ASSIGN.
        checkpoint: where the next attempt can resume, for MEASURE and HEARTBEAT; empty to leave it as it is.
        result: for SUCCEED, FAIL and IMPORT; for RELEASE and EXPIRE, that of a stopping trial's measurements.
        max_attempts: how many lost attempts make the trial infeasible, for EXPIRE.
        study_is_over: whether no worker will ask for the trial again, for RELEASE and EXPIRE.
        reason: why the trial is asked to stop, for people.
        whole: whether a trial that is asked to stop has been trained to its end all the same.
    """

    now: float
    actor: Actor
    draft: Draft | None = None
    lease: Lease | None = None
    checkpoint: str = ""
    result: FinalResult = NO_MEASUREMENT
    max_attempts: int = 1
    study_is_over: bool = False
    reason: str = ""
    whole: bool = False


def transition(trial: Trial | None, verb: Verb, facts: Facts) -> Step | Ignore | Refuse:
    """Return what `verb` makes of the trial, or of none if it creates one: the step to save, or why there is none.

    Raises:
        ValueError: the table does not know the move, which is a bug.
    """
    allowed = TRANSITIONS[verb][None if trial is None else trial.state]
    if not isinstance(allowed, tuple):
        return allowed
    changed, *effects = _RULES[verb](trial or _new(facts), facts)
    if changed.state not in [move.to for move in allowed]:
        raise ValueError(f"{verb} may not make {changed.state} of {trial}")
    events = []
    if verb is Verb.EXPIRE and trial is not None:
        events.append(Event(EventKind.TRIAL_LOST, facts.now, trial.number, _worker(trial), actor=facts.actor))
    if trial is None or changed.state is not trial.state:
        detail = changed.infeasible_reason or facts.reason or changed.client_id
        kind = EventKind(f"TRIAL_{changed.state}")
        events.append(Event(kind, facts.now, changed.number, detail, actor=facts.actor))
    return Step(changed, events, [Effect.INSERT] if trial is None else effects)


def allowed_step(trial: Trial | None, verb: Verb, facts: Facts) -> Step:
    """Return the step of a verb that the state allows; see `transition`.

    Raises:
        ValueError: it does not, which is a bug.
    """
    outcome = transition(trial, verb, facts)
    if not isinstance(outcome, Step):
        raise ValueError(f"{verb} makes nothing of {trial}: {outcome}")
    return outcome


def with_result(trial: Trial, result: FinalResult, **changes: Any) -> Trial:
    """Return the trial with that result, SUCCEEDED or INFEASIBLE, and other changes; a long reason is cut."""
    return replace(
        trial,
        state=S.INFEASIBLE if result.infeasible_reason else S.SUCCEEDED,
        final_measurement=trial.final_measurement if result.final is None else result.final,
        infeasible_reason=shortened(result.infeasible_reason),
        **changes,
    )


def _new(facts: Facts) -> Trial:
    if facts.draft is None:
        raise ValueError("a trial that does not exist has no draft")
    draft = facts.draft
    return Trial(
        number=draft.number,
        state=S.REQUESTED,
        parameters=draft.parameters,
        create_time=facts.now,
        metadata=draft.metadata,
        measurements=list(draft.measurements) or None,
        stopped=draft.stopped,
    )


# A rule returns the trial after its verb, and what has to be stored of it.
Rule = Callable[[Trial, Facts], tuple[Trial, *tuple[Effect, ...]]]


def _import(trial: Trial, facts: Facts) -> tuple[Trial, Effect]:
    return _end(replace(trial, attempt=1, start_time=facts.now), facts)


def _assign(trial: Trial, facts: Facts) -> tuple[Trial, *tuple[Effect, ...]]:
    if trial.state is S.ACTIVE:
        return (trial,) if facts.lease is None else (replace(trial, lease=facts.lease), Effect.ASSIGN)
    assigned = replace(
        trial,
        state=S.ACTIVE,
        client_id=facts.actor.client_id,
        start_time=facts.now,
        attempt=trial.attempt + 1,
        lost_client_id="",
        lease=facts.lease,
    )
    return assigned, Effect.ASSIGN


def _reclaim(trial: Trial, facts: Facts) -> tuple[Trial, Effect]:
    back = replace(
        trial,
        state=S.ACTIVE,
        client_id=trial.lost_client_id,
        start_time=facts.now,
        lost_attempts=trial.lost_attempts - 1,
        lost_client_id="",
    )
    return back, Effect.RECLAIM


def _measure(trial: Trial, facts: Facts) -> tuple[Trial, *tuple[Effect, ...]]:
    lease = trial.lease
    if lease is not None and lease.left >= lease.seconds * (1 - LEASE_PART_LEFT_ALONE):
        return _with_checkpoint(trial, facts)
    return _heartbeat(trial, facts)


def _heartbeat(trial: Trial, facts: Facts) -> tuple[Trial, *tuple[Effect, ...]]:
    if trial.lease is None:
        return _with_checkpoint(trial, facts)
    after = _with_checkpoint(replace(trial, lease=trial.lease.renewed()), facts)
    return after[0], Effect.RENEW_LEASE, *after[1:]


def _with_checkpoint(trial: Trial, facts: Facts) -> tuple[Trial, *tuple[Effect, ...]]:
    if facts.checkpoint in ("", trial.checkpoint):
        return (trial,)
    return replace(trial, checkpoint=facts.checkpoint), Effect.KEEP_CHECKPOINT


def _release(trial: Trial, facts: Facts) -> tuple[Trial, Effect]:
    if trial.state is S.STOPPING:
        return _end(trial, facts)
    if facts.study_is_over:
        return _fail(trial, facts, "it was released when the study was over")
    return _requeue(trial)


def _expire(trial: Trial, facts: Facts) -> tuple[Trial, Effect]:
    worker, lost = _worker(trial), trial.lost_attempts + 1
    trial = replace(trial, lost_attempts=lost, lost_client_id=trial.client_id)
    if trial.state is S.STOPPING:
        return _end(trial, facts)
    if lost >= facts.max_attempts:
        reason = f"its worker was lost in {lost} attempts, all that maxAttempts allows; at last {worker}"
        return _fail(trial, facts, reason)
    if facts.study_is_over:
        return _fail(trial, facts, f"{worker} was lost when the study was over")
    return _requeue(trial)


def _worker(trial: Trial) -> str:
    return trial.client_id or "its worker"


def _requeue(trial: Trial) -> tuple[Trial, Effect]:
    return replace(trial, state=S.REQUESTED, client_id="", start_time=None, lease=None), Effect.REQUEUE


def _stop(trial: Trial, facts: Facts) -> tuple[Trial, Effect]:
    metadata = {**trial.metadata, STOPPING_REASON: facts.reason}
    return replace(trial, state=S.STOPPING, stopped=True, metadata=metadata), Effect.STOP


def _fail(trial: Trial, facts: Facts, reason: str) -> tuple[Trial, Effect]:
    return _end(trial, replace(facts, result=FinalResult(None, reason)))


def _end(trial: Trial, facts: Facts) -> tuple[Trial, Effect]:
    stopped = trial.stopped and not facts.whole and not facts.result.infeasible_reason
    return with_result(trial, facts.result, end_time=facts.now, lease=None, stopped=stopped), Effect.END


_RULES: dict[Verb, Rule] = {
    Verb.CREATE: lambda trial, _: (trial,),
    Verb.IMPORT: _import,
    Verb.ASSIGN: _assign,
    Verb.MEASURE: _measure,
    Verb.RECLAIM: _reclaim,
    Verb.HEARTBEAT: _heartbeat,
    Verb.RELEASE: _release,
    Verb.EXPIRE: _expire,
    Verb.STOP: _stop,
    Verb.SUCCEED: _end,
    Verb.FAIL: _end,
}
