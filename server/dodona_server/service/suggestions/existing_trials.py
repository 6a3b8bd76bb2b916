"""Existing trials for a client that asks: those that it has, and those that are queued."""

from __future__ import annotations

import itertools

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.space import agrees
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.transitions import Facts, Step, transition
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.service.saving import save
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.suggestions.look_ahead import PointsNeeded
from dodona_server.service.suggestions.new_trials import SuggestRound, fill
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.trials.ending import expire
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import trials

# How many queued trials are searched for those that match a context.
MAX_QUEUED_LOOKED_AT = 10_000


def followed(transaction: Transaction, study: Study, request: SuggestRequest) -> list[Trial]:
    """Return the trials that another process runs as this client; their leases are that process's."""
    states = (TrialState.ACTIVE, TrialState.STOPPING)
    own = (trials.unfinished_trials(transaction, study, one, request.client_id, request.count) for one in states)
    return sorted(itertools.chain.from_iterable(own), key=lambda trial: trial.number)[: request.count]


def own_trials(
    transaction: Transaction, study: Study, request: SuggestRequest, arrived: float, now: float
) -> tuple[list[Trial], Study]:
    """Return the client's unfinished trials, and the study, which their expiry may have ended.

    Trials that the client no longer runs begin a new attempt, unless they were lost too often. Trials assigned since
    the call arrived are not lost: this call may belong to a dead process, and the client may have returned.
    """
    running = request.running
    limit = request.count + len(running or ())
    own = trials.unfinished_trials(transaction, study, TrialState.ACTIVE, request.client_id, limit)
    if running is None:
        return [_assign(transaction, study, trial, request, now) for trial in own], study
    assigned: list[Trial] = []
    for trial in own:
        given_before = trial.start_time is None or trial.start_time <= arrived
        if trial.number not in running and given_before and len(assigned) < request.count:
            waiting = expire(transaction, study, trial, now, request.actor)
            study = get_study(transaction, study.name, lock=True)
            if waiting.state is TrialState.REQUESTED:
                assigned.append(_assign(transaction, study, waiting, request, now))
    return assigned, study


def take_queued(
    transaction: Transaction, study: Study, this_round: SuggestRound, count: int, now: float
) -> tuple[list[Trial], bool, PointsNeeded | None]:
    """Assign queued trials in order, only those that match one of the contexts if there are any.

    Return them, whether the computed points are used up because they filled in one of them, and the points that the
    next one needs.
    """
    if count <= 0:
        return [], False, None
    request = this_round.request
    limit = MAX_QUEUED_LOOKED_AT if request.contexts else count
    waiting = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", limit)
    if request.contexts:
        waiting = [trial for trial in waiting if any(agrees(trial.parameters, context) for context in request.contexts)]
    assigned: list[Trial] = []
    for trial in waiting[:count]:
        # A trial that was run before keeps its parameters.
        if trial.attempt > 0 or study.spec.space.is_whole(trial.parameters):
            assigned.append(_assign(transaction, study, trial, request, now))
            continue
        filled = fill(transaction, study, trial, this_round, now)
        if isinstance(filled, PointsNeeded):
            return assigned, False, filled
        assigned.append(_assign(transaction, study, filled, request, now))
        if algorithm_for(study.spec.algorithm).needs_history(study):
            return assigned, True, None
    return assigned, False, None


def _assign(transaction: Transaction, study: Study, trial: Trial, request: SuggestRequest, now: float) -> Trial:
    """Assign a queued trial to the client as a new attempt, or renew the lease of its own, and return the trial."""
    step = transition(trial, Verb.ASSIGN, Facts(now=now, actor=request.actor, lease=request.lease(now)))
    return save(transaction, study.key, step) if isinstance(step, Step) else trial
