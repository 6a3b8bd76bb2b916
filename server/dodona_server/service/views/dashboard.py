"""Contents of the pages, each read in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.artifact import Artifact
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import Event, EventPosition
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.page import Page
from dodona_server.domain.space import Value
from dodona_server.domain.studies.budget import Usage
from dodona_server.domain.studies.study import Study
from dodona_server.domain.studies.study_list import StudyFilter, StudySummary
from dodona_server.domain.trials.listing import Listing, Order
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.studies.prior_studies import with_known_priors
from dodona_server.service.trials.attempts import require_trial
from dodona_server.service.trials.explanations import Why, why
from dodona_server.service.trials.queries import Filtered
from dodona_server.service.usage import usage_of
from dodona_server.service.views.nearest import nearest
from dodona_server.storage import events
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import study_list
from dodona_server.storage.trials import listing, measurements, ranking, trials

MAX_HISTORY = 2000
# Trials whose curves are drawn: the best ones, those that run, and the latest others.
BEST_CURVES, LATEST_CURVES = 5, 15
POINTS_OF_CURVE = 60
MAX_RUNNING = 20
MAX_POINTS = 200
MAX_FAILURES = 500
MAX_EVENTS = 15
MAX_TRIAL_EVENTS = 100
MAX_NEAREST = 6
# The trials among which the nearest are looked for, evenly chosen.
MAX_COMPARED = 2000


@dataclass(frozen=True, slots=True)
class StudyView:
    """Content of the page of a study.

    Args:
        study: the study.
        counts: the number of its trials in each state.
        stopped: the number of succeeded trials that were stopped early.
        best: the best trial by the first metric.
        history: results by number, evenly thinned if there are many: of a study with one metric only its value.
        points: parameters and objective by number, of fewer trials than `history` and of the best ones.
        trials: a page of trials.
        last: the last measurement of running trials, by number.
        running: trials that run, in order.
        curves: trials with measurements, in order.
        failures: number and reason of the latest infeasible trials, the latest first.
        matching: how many trials match the filter; None without one.
        problem: why the filter or the order cannot be understood; empty if it can.
        events: what happened, the latest first.
        events_after: the position of the last of them; None if there are no earlier ones.
        usage: what the study has used, and what is to be expected of the rest.
    """

    study: Study
    counts: Mapping[TrialState, int]
    stopped: int
    best: Trial | None
    history: Mapping[int, Mapping[str, float]]
    points: Mapping[int, tuple[Mapping[str, Value], float]]
    trials: Page[Trial]
    last: Mapping[int, Measurement]
    running: Sequence[Trial]
    curves: Sequence[Trial]
    failures: Sequence[tuple[int, str]]
    matching: int | None
    problem: str
    events: Sequence[Event]
    events_after: EventPosition | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class TrialView:
    """Content of the page of a trial.

    Args:
        study: the trial's.
        trial: with its measurements, without long metadata.
        best: the best trial of the study by the first metric.
        events: what happened to the trial, in order.
        nearest: the trials that are most like it, with their distance.
        compared: among how many trials they are the nearest.
        artifacts: its files by name.
        why: why it was suggested.
    """

    study: Study
    trial: Trial
    best: Trial | None
    events: Sequence[Event]
    nearest: Sequence[tuple[Trial, float]]
    compared: int
    artifacts: Sequence[Artifact]
    why: Why


@dataclass(frozen=True, slots=True)
class StudiesView:
    """Content of the page of studies.

    Args:
        studies: a page of them.
        count: how many there are.
        projects: all projects that may be shown.
    """

    studies: Page[StudySummary]
    count: int
    projects: Sequence[str]


class DashboardQueries:
    """Reads what pages show.

    Args:
        store: where studies and trials are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def studies(self, wanted: StudyFilter, skipped: int, limit: int) -> StudiesView:
        """Return the content of the page of studies, with up to `limit` of them after the first `skipped`."""

        def query(transaction: Transaction) -> StudiesView:
            seen = wanted.projects
            projects = [one for one in study_list.projects(transaction) if seen is None or one in seen]
            page = study_list.page(transaction, wanted, skipped, limit)
            return StudiesView(page, study_list.count(transaction, wanted), projects)

        return await self._store.read(query)

    async def study(
        self, name: StudyName, wanted: Listing | Filtered, limit: int, happened: EventPosition | None = None
    ) -> StudyView:
        """Return the content of the page of the study.

        Args:
            name: the study.
            wanted: the list of its trials.
            limit: the largest number of trials of that list.
            happened: the position before which its list of events begins; None for the latest.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> StudyView:
            study = with_known_priors(transaction, get_study(transaction, name))
            best = listing.page(transaction, study, Listing(order=Order.BEST), BEST_CURVES).entries
            running = listing.running(transaction, study, MAX_RUNNING)
            page, matching, problem = _listed(transaction, study, wanted, limit)
            history = ranking.history(transaction, study, -(-study.next_trial_number // MAX_HISTORY))
            some = {trial.number for trial in [*running, *page.entries] if trial.end_time is None}
            last = {number: measurements.last(transaction, study.key, number) for number in sorted(some)}
            return StudyView(
                study,
                ranking.counts(transaction, study),
                ranking.count_stopped(transaction, study),
                best[0] if best else None,
                _results(transaction, study, history),
                _points(transaction, study, history, best),
                page,
                {number: one for number, one in last.items() if one is not None},
                running,
                _curves(transaction, study, [*best, *running]),
                listing.failures(transaction, study, MAX_FAILURES),
                matching,
                problem,
                *events.latest(transaction, study.key, happened, MAX_EVENTS),
                usage_of(transaction, study, self._clock()),
            )

        return await self._store.read(query)

    async def trial(self, name: TrialName) -> TrialView:
        """Return the content of the page of the trial.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> TrialView:
            study = get_study(transaction, name.study)
            trial = require_trial(trials.find_brief(transaction, study, name.number), name)
            measured = measurements.measured(transaction, study.key, trial)
            best = listing.page(transaction, study, Listing(order=Order.BEST), 1).entries
            step = -(-study.next_trial_number // MAX_COMPARED)
            compared = listing.numbered(transaction, study, list(range(1, study.next_trial_number, step)))
            return TrialView(
                study,
                dataclasses.replace(trial, measurements=measured),
                best[0] if best else None,
                events.of_trial(transaction, study.key, trial.number, MAX_TRIAL_EVENTS),
                nearest(study.spec.space, trial, compared, MAX_NEAREST),
                len(compared),
                artifacts.of_trial(transaction, study.key, trial.number),
                why(transaction, study, trial),
            )

        return await self._store.read(query)


def _listed(
    transaction: Transaction, study: Study, wanted: Listing | Filtered, limit: int
) -> tuple[Page[Trial], int | None, str]:
    """Return a page of trials, how many match a filter, and why the filter cannot be understood."""
    if isinstance(wanted, Listing):
        return listing.page(transaction, study, wanted, limit), None, ""
    try:
        return wanted.page(transaction, study), wanted.count(transaction, study), ""
    except InvalidArgument as error:
        return listing.page(transaction, study, Listing(), limit), None, str(error)


def _results(
    transaction: Transaction, study: Study, history: Sequence[tuple[int, float]]
) -> dict[int, Mapping[str, float]]:
    if len(study.spec.metrics) > 1:
        finals = ranking.results(transaction, study, [number for number, _ in history])
        return {number: final.metrics for number, final in finals.items()}
    metric = study.spec.objective.id
    return {number: {metric: value} for number, value in history}


def _points(
    transaction: Transaction, study: Study, history: Sequence[tuple[int, float]], best: Sequence[Trial]
) -> dict[int, tuple[Mapping[str, Value], float]]:
    some = history[:: -(-len(history) // MAX_POINTS) or 1]
    numbers = sorted({*(number for number, _ in some), *(trial.number for trial in best)})
    found = [(trial, ranking.objective(study, trial)) for trial in listing.numbered(transaction, study, numbers)]
    return {trial.number: (trial.parameters, value) for trial, value in found if value is not None}


def _curves(transaction: Transaction, study: Study, chosen: Sequence[Trial]) -> list[Trial]:
    """Return those trials and the latest ones, each with at most about `POINTS_OF_CURVE` measurements."""
    latest = listing.page(transaction, study, Listing(), LATEST_CURVES).entries
    numbers = sorted({trial.number for trial in [*chosen, *latest]})
    steps = measurements.last_steps(transaction, study.key, numbers)
    if not steps:
        return []
    return [
        dataclasses.replace(
            trial,
            measurements=measurements.sample(
                transaction, study.key, trial.number, steps[trial.number], POINTS_OF_CURVE
            ),
        )
        for trial in listing.numbered(transaction, study, sorted(steps))
    ]
