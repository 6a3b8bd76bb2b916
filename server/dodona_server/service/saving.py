"""Save what a transition made of a trial."""

from __future__ import annotations

from collections.abc import Callable

from dodona_server.domain.trials.transitions import Effect, Step
from dodona_server.domain.trials.trial import Trial
from dodona_server.storage import events
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import leases, trials

_STORE: dict[Effect, Callable[[Transaction, int, Trial], None]] = {
    Effect.ASSIGN: leases.assign,
    Effect.RECLAIM: leases.reclaim,
    Effect.RENEW_LEASE: leases.extend_lease,
    Effect.KEEP_CHECKPOINT: trials.set_checkpoint,
    Effect.REQUEUE: leases.requeue,
    Effect.STOP: trials.set_stopping,
}


def save(transaction: Transaction, study_key: int, step: Step) -> Trial:
    """Store the effects and the events of a step, and return its trial.

    A new trial and the end of one need their study: `trials.create`, `suggestions.new_trials` and `trials.ending` store
    them.
    """
    for effect in step.effects:
        if effect not in (Effect.INSERT, Effect.END):
            _STORE[effect](transaction, study_key, step.trial)
    events.append(transaction, study_key, step.events)
    return step.trial
