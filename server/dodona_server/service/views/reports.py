"""Data of a study's report, read in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.listing import Listing, Order
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.trials import listing, measurements, ranking

# Up to this many trials are all of them.
MOST = 2000
BEST = 10
# Trials with curves, and the measurements of each.
CURVES, POINTS = 40, 60
MAX_FAILURES = 500


@dataclass(frozen=True, slots=True)
class ReportData:
    """Content of a report.

    Args:
        study: the study.
        counts: the number of its trials in each state.
        stopped: the number of succeeded trials that were stopped early.
        best: the best trials, the best one first.
        trials: all trials or evenly chosen ones and the best ones, by number; some of them with measurements.
        failures: number and reason of the latest infeasible trials, the latest first.
    """

    study: Study
    counts: Mapping[TrialState, int]
    stopped: int
    best: Sequence[Trial]
    trials: Sequence[Trial]
    failures: Sequence[tuple[int, str]]


class Reports:
    """Reads what reports show.

    Args:
        store: where studies and trials are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, name: StudyName) -> ReportData:
        """Return the content of the study's report.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> ReportData:
            study = get_study(transaction, name)
            best = listing.page(transaction, study, Listing(order=Order.BEST), BEST).entries
            trials = {trial.number: trial for trial in best}
            numbers = range(1, study.next_trial_number, -(-study.next_trial_number // MOST))
            trials |= {trial.number: trial for trial in listing.numbered(transaction, study, list(numbers))}
            return ReportData(
                study,
                ranking.counts(transaction, study),
                ranking.count_stopped(transaction, study),
                best,
                _with_curves(transaction, study, trials, [trial.number for trial in best]),
                listing.failures(transaction, study, MAX_FAILURES),
            )

        return await self._store.read(query)


def _with_curves(
    transaction: Transaction, study: Study, trials: Mapping[int, Trial], best: Sequence[int]
) -> list[Trial]:
    """Return the trials by number; the best ones and evenly chosen others with measurements."""
    chosen = sorted({*best, *sorted(trials)[:: -(-len(trials) // CURVES) or 1]})
    steps = measurements.last_steps(transaction, study.key, chosen) if chosen else {}
    found = dict(trials)
    for number, step in steps.items():
        curve = measurements.sample(transaction, study.key, number, step, POINTS)
        found[number] = dataclasses.replace(found[number], measurements=curve)
    return [found[number] for number in sorted(found)]
