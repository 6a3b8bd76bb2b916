"""Trials that figures show: all of a small study, some of a large one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.listing import Listing, Order
from dodona_server.domain.trials.trial import Trial
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage import events
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.trials import listing, measurements, sampled

# Trials for figures of results; up to this many are all of them.
MOST = 2000
# Parts of a large study whose best trials are among them.
PARTS = 300
MOST_RUNNING = 200
# Trials with curves, how many of them are the best ones, and the measurements of each.
CURVES, BEST_CURVES, POINTS = 150, 15, 40
LATEST = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """Some trials of a study.

    Args:
        study: the study.
        trials: by number.
        events: those of the trials that were tried more than once.
        weight: how many times longer all trials ran together than these; 1 if these are all.
        read_time: the present time if a trial runs, in seconds since the epoch.
    """

    study: Study
    trials: Sequence[Trial]
    events: Sequence[Event] = ()
    weight: float = 1.0
    read_time: float = 0.0


class Samples:
    """Reads trials for figures.

    Args:
        store: where studies and trials are kept.
        clock: returns the present time in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def results(self, name: StudyName, *, weighed: bool = False) -> Sample:
        """Return trials without measurements: all of them, or evenly chosen ones, the best ones and those that run.

        Args:
            name: of the study.
            weighed: whether to find out the weight, for which all trials of a large study are read.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Sample:
            study = get_study(transaction, name)
            numbers, many = set(_evenly(study, MOST)), study.trial_count > MOST
            if many:
                numbers.update(sampled.best_of_parts(transaction, study, PARTS))
                numbers.update(sampled.unfinished_numbers(transaction, study, MOST_RUNNING))
            trials = listing.numbered(transaction, study, sorted(numbers))
            seconds = sum(_seconds(trial) for trial in trials) if many and weighed else 0.0
            weight = sampled.compute_seconds(transaction, study) / seconds if seconds else 1.0
            return Sample(study, trials, weight=weight)

        return await self._store.read(query)

    async def evenly(self, name: StudyName, most: int) -> Sample:
        """Return evenly chosen trials without measurements.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Sample:
            study = get_study(transaction, name)
            return Sample(study, listing.numbered(transaction, study, list(_evenly(study, most))))

        return await self._store.read(query)

    async def curves(self, name: StudyName) -> Sample:
        """Return trials with up to about `POINTS` measurements each: the best ones, those that run, and others.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Sample:
            study = get_study(transaction, name)
            numbers = set(_evenly(study, CURVES))
            best = listing.page(transaction, study, Listing(order=Order.BEST), BEST_CURVES).entries
            numbers.update(trial.number for trial in best)
            numbers.update(sampled.unfinished_numbers(transaction, study, CURVES))
            steps = measurements.last_steps(transaction, study.key, sorted(numbers))
            trials = [
                dataclasses.replace(
                    trial,
                    measurements=measurements.sample(transaction, study.key, trial.number, steps[trial.number], POINTS),
                )
                for trial in listing.numbered(transaction, study, sorted(steps))
            ]
            return Sample(study, trials)

        return await self._store.read(query)

    async def latest(self, name: StudyName) -> Sample:
        """Return the latest trials without measurements, and what happened to those that were tried more than once.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Sample:
            study = get_study(transaction, name)
            trials = listing.page(transaction, study, Listing(), LATEST).entries
            again = [trial.number for trial in trials if trial.attempt > 1 or trial.lost_attempts]
            happened = events.of_trials(transaction, study.key, again) if again else []
            runs = any(trial.end_time is None for trial in trials)
            return Sample(study, trials[::-1], happened, read_time=self._clock() if runs else 0.0)

        return await self._store.read(query)


def _evenly(study: Study, most: int) -> range:
    """Return at most `most` evenly chosen numbers; a few may be those of deleted trials."""
    every = max(1, -(-(study.next_trial_number - 1) // most))
    return range(every, study.next_trial_number, every)


def _seconds(trial: Trial) -> float:
    return 0.0 if trial.start_time is None or trial.end_time is None else trial.end_time - trial.start_time
