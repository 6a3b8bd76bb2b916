"""Queries for trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.domain.errors import DodonaError
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.filters import read_filter, read_order
from dodona_server.domain.trials.pareto import Front
from dodona_server.domain.trials.trial import Measurement, RankingPosition, Trial
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.attempts import require_trial
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import filtered, measurements, ranking, trials

TrialUseCase = Callable[[Transaction], Trial | DodonaError]


@dataclass(frozen=True, slots=True)
class Optimal:
    """Best trials of a study.

    Args:
        numbers: of the trials, in order.
        hypervolume: with several metrics, the volume that their front dominates, with `reference` as the reference.
        reference: the worst value of each metric in any trial.
    """

    numbers: list[int]
    hypervolume: float | None = None
    reference: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filtered:
    """A page of the trials that match a filter.

    Args:
        filter: an expression, see `domain.filters`; empty for all trials.
        order: a column to sort by, see `domain.filters`; empty for the trials' numbers.
        skipped: how many matching trials precede the page.
        limit: the largest number of trials.
        after: only trials with a number above this one.
    """

    filter: str
    order: str = ""
    skipped: int = 0
    limit: int = 1000
    after: int = 0

    def page(self, transaction: Transaction, study: Study) -> Page[Trial]:
        """Return the page, without measurements, with short metadata.

        Raises:
            InvalidArgument: the filter or the order cannot be understood.
        """
        condition = read_filter(self.filter, study.spec) if self.filter else None
        order = read_order(self.order, study.spec) if self.order else None
        return filtered.page(transaction, study, condition, order, self.skipped, self.limit, self.after)

    def count(self, transaction: Transaction, study: Study) -> int | None:
        """Return how many trials match; None without a filter."""
        return filtered.count(transaction, study, read_filter(self.filter, study.spec)) if self.filter else None


class TrialQueries:
    """Finds trials.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, name: TrialName, *, measured: bool = True) -> Trial:
        """Return the trial, with its measurements if `measured`.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> Trial:
            study = get_study(transaction, name.study)
            trial = require_trial(trials.find(transaction, study, name.number), name)
            if not measured:
                return trial
            return dataclasses.replace(trial, measurements=measurements.measured(transaction, study.key, trial))

        return await self._store.read(query)

    async def measured(self, name: StudyName, given: Sequence[Trial]) -> list[Trial]:
        """Return the trials of the study; as many of the first as fit on a page come with their measurements.

        The others are returned as given, and so are all if the study no longer exists.

        Args:
            name: the study.
            given: its trials, as another call returned them.
        """
        numbers = [trial.number for trial in given if trial.measurements is None]
        if not numbers:
            return list(given)

        def query(transaction: Transaction) -> list[Trial]:
            study = studies.find(transaction, name)
            if study is None:
                return list(given)
            known = measurements.of_page(transaction, study.key, numbers)
            return [
                dataclasses.replace(trial, measurements=known.get(trial.number, trial.measurements)) for trial in given
            ]

        return await self._store.read(query)

    async def page(
        self, name: StudyName, after: int, limit: int, *, brief: bool = False, measured: bool = True
    ) -> Page[Trial]:
        """Return the page of up to `limit` trials with numbers above `after`, in order.

        Args:
            name: the study.
            after: the number after which to begin.
            limit: the largest number of trials.
            brief: whether to leave out measurements and metadata, which are then not read.
            measured: whether to include their measurements.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Page[Trial]:
            study = get_study(transaction, name)
            if brief:
                return trials.page_briefly(transaction, study, after, limit)
            return _shown(transaction, study, trials.page(transaction, study, after, limit), measured)

        return await self._store.read(query)

    async def filtered(self, name: StudyName, wanted: Filtered, *, measured: bool = True) -> Page[Trial]:
        """Return a page of the trials that match a filter.

        Args:
            name: the study.
            wanted: which trials, in which order.
            measured: whether to include their measurements.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the filter or the order cannot be understood.
        """

        def query(transaction: Transaction) -> Page[Trial]:
            study = get_study(transaction, name)
            page = wanted.page(transaction, study)
            # With their whole metadata.
            whole = trials.find_numbered(transaction, study.key, [trial.number for trial in page.entries])
            by_number = {trial.number: trial for trial in whole}
            entries = [by_number[trial.number] for trial in page.entries if trial.number in by_number]
            return _shown(transaction, study, Page(entries, page.more), measured)

        return await self._store.read(query)

    async def numbered(self, name: StudyName, numbers: Sequence[int], *, measured: bool = True) -> Page[Trial]:
        """Return the trials of these numbers that still exist, in that order, as many of the first as fit on a page.

        Args:
            name: the study.
            numbers: of the trials.
            measured: whether to include their measurements.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Page[Trial]:
            study = get_study(transaction, name)
            return _shown(transaction, study, trials.numbered(transaction, study.key, numbers), measured)

        return await self._store.read(query)

    async def ranking(
        self, name: StudyName, behind: RankingPosition | None, limit: int, *, measured: bool = False
    ) -> tuple[list[Trial], RankingPosition | None]:
        """Return up to `limit` trials of the ranking, best first, and the position of the last one if more follow.

        Args:
            name: the study.
            behind: the position after which to begin; None for the best.
            limit: the largest number of trials.
            measured: whether to include their measurements.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> tuple[list[Trial], RankingPosition | None]:
            study = get_study(transaction, name)
            page = _shown(transaction, study, ranking.listed(transaction, study, behind, limit), measured)
            if not page.more:
                return page.entries, None
            last = page.entries[-1]
            return page.entries, RankingPosition(ranking.objective(study, last) or 0.0, last.number)

        return await self._store.read(query)

    async def optimal(self, name: StudyName) -> Optimal:
        """Return the trials with the best value, or the Pareto front if the study has several metrics.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Optimal:
            study = get_study(transaction, name)
            if len(study.spec.metrics) == 1:
                return Optimal(ranking.best(transaction, study))
            front = Front(study.spec, ranking.succeeded(transaction, study))
            return Optimal(front.numbers, front.hypervolume(), front.worst)

        return await self._store.read(query)


def _shown(transaction: Transaction, study: Study, page: Page[Trial], measured: bool) -> Page[Trial]:
    """Return the page; if `measured`, only as many of its trials as fit with their measurements."""
    if not measured or not page.entries:
        return page
    numbers = [trial.number for trial in page.entries]
    fitting = measurements.fitting(transaction, study.key, numbers)
    known = measurements.of_trials(transaction, study.key, numbers[:fitting])
    shown = [dataclasses.replace(trial, measurements=known[trial.number]) for trial in page.entries[:fitting]]
    return Page(shown, page.more or fitting < len(numbers))


def with_few_measurements(
    use_case: TrialUseCase, name: TrialName
) -> Callable[[Transaction], tuple[Trial, Callable[[], list[Measurement] | None]] | DodonaError]:
    """Return a use case that reads the trial's measurements too, which costs less here than in another transaction.

    They come with the commit, so its result has a function that returns them afterwards.
    """

    def both(transaction: Transaction) -> tuple[Trial, Callable[[], list[Measurement] | None]] | DodonaError:
        trial = use_case(transaction)
        return trial if isinstance(trial, DodonaError) else (trial, measurements.few(transaction, name))

    return both
