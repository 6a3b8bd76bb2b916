"""Check whether new trials would end before the study's time is over; those that hardly would are not begun."""

from __future__ import annotations

from collections.abc import Sequence

from dodona_server.algorithms.contract.algorithm import Suggestion
from dodona_server.algorithms.contract.durations import LEAST, LIKELY, measured
from dodona_server.domain.studies.study import Study
from dodona_server.domain.studies.time_left import seconds_left
from dodona_server.domain.trials.listing import Among, Listing
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import listing

# The number of latest trials whose durations are compared with the time left.
LATEST = 50


def are_late(study: Study, suggestions: Sequence[Suggestion], now: float) -> bool:
    """Return whether the time left has become too short for one of the points, by the model they were chosen with."""
    left = _seconds_left(study, now)
    return left is not None and any(one.seconds is not None and one.seconds > left for one in suggestions)


def is_too_late(transaction: Transaction, study: Study, suggestions: Sequence[Suggestion], now: float) -> bool:
    """Return whether the time left is too short for a trial at these points, if no model has told their durations.

    It is too short if at most a quarter of the latest trials ended in that time; with few durations it never is.
    """
    if all(one.seconds is not None for one in suggestions) or (left := _seconds_left(study, now)) is None:
        return False
    latest = listing.page(transaction, study, Listing(among=Among.SUCCEEDED), LATEST).entries
    known = sorted(seconds for trial in latest if (seconds := measured(trial)) is not None)
    return len(known) >= LEAST and known[int(LIKELY * len(known))] > left


def _seconds_left(study: Study, now: float) -> float | None:
    return seconds_left(study.spec.stopping, study.progress, study.create_time, now)
