"""Use of a study's budget, what is left, and the chance that the rest brings something better."""

from __future__ import annotations

from dodona_server.domain.studies.budget import Usage
from dodona_server.domain.studies.outlook import chance
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.explanation import read_explanation
from dodona_server.domain.trials.listing import Listing, Order
from dodona_server.storage import workers
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import listing, trials

# How many of the latest trials are searched for one that a model suggested.
LATEST = 20
# How many trials a study without a limit is looked ahead.
AHEAD = 50
# Before this many results, nobody can tell.
LEAST_FINISHED = 10


def usage_of(transaction: Transaction, study: Study, now: float) -> Usage:
    """Return what a study has used until `now`, in seconds since the epoch."""
    finished = study.trial_count - trials.count_unfinished(transaction, study)
    compute = workers.compute_seconds(transaction, study, now)
    left = _trials_left(study, finished, compute, now)
    return Usage(finished, compute, left, _chance(transaction, study, finished, AHEAD if left is None else left))


def _trials_left(study: Study, finished: int, compute: float, now: float) -> int | None:
    """Return how many trials the budget still allows, if they take as long as those so far; None without a limit."""
    stopping = study.spec.stopping
    limits = [] if study.remaining_trials is None else [float(study.remaining_trials)]
    age = now - study.create_time
    if finished and age > 0 and stopping.maximum_runtime is not None:
        limits.append((stopping.maximum_runtime.end(study.create_time) - now) / age * finished)
    if finished and compute > 0:
        if stopping.max_compute_duration is not None:
            limits.append((stopping.max_compute_duration - compute) / compute * finished)
        if stopping.max_cost is not None and stopping.price_per_hour is not None:
            affordable = stopping.max_cost / stopping.price_per_hour * 3600
            limits.append((affordable - compute) / compute * finished)
    return max(0, int(min(limits))) if limits else None


def _chance(transaction: Transaction, study: Study, finished: int, left: int) -> float | None:
    """Return the chance of a clear improvement in as many trials; None while the model does not tell."""
    best = listing.page(transaction, study, Listing(order=Order.BEST), 1).entries
    if finished < LEAST_FINISHED or len(study.spec.objectives) > 1 or not best:
        return None
    latest = list(range(max(1, study.next_trial_number - LATEST), study.next_trial_number))
    for trial in reversed(listing.numbered(transaction, study, latest)):
        known = read_explanation(trial.metadata)
        if known is not None and known.improving is not None:
            return chance(known.improving, finished, max(0, finished - best[0].number), left)
    return None
