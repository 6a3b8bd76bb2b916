"""Work of a process of the pool: read a study's history and run its algorithm."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.contexts import as_trials, suggest_in
from dodona_server.algorithms.contract.algorithm import Curves, NoCurves
from dodona_server.algorithms.registry import Prior, Problem, Request, Suggestion, algorithm_for
from dodona_server.domain.errors import DodonaError
from dodona_server.domain.studies.study import Study, Version
from dodona_server.domain.studies.time_left import time_left
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.service.computing.curves import StoredCurves
from dodona_server.service.computing.pool import Answer, CurveJob, FittedCurves, Job, Replayed, ReplayJob
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.schema.opening import open_reader
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import ranking, trials

PAGE = 5000
# The number of latest trials in the median duration.
LATEST = 50
# The number of histories kept, and of trials used from each earlier study.
MAX_HISTORIES = 32
MAX_PRIOR_TRIALS = 1000


@dataclass(slots=True)
class _History:
    """Finished trials of a study, in order. All trials with numbers up to `complete_to` are finished."""

    version: Version
    finished: list[Trial] = field(default_factory=list)
    complete_to: int = 0


class Worker:
    """Answers jobs.

    Args:
        url: of the database.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_reader(url)
        self._histories: dict[int, _History] = {}

    def answers(self, job: Job | CurveJob | ReplayJob) -> Iterator[Answer | FittedCurves | Replayed | str]:
        """Yield the answers to a job as soon as they exist, or the reason why there are no more."""
        try:
            if isinstance(job, CurveJob):
                yield self._fitted_curves(job)
            elif isinstance(job, ReplayJob):
                yield self._replayed(job)
            else:
                yield from self._answers(job)
        except Exception as error:  # noqa: BLE001 - the server has to get any error
            yield f"{type(error).__name__}: {error}"

    def _answers(self, job: Job) -> Iterator[Answer | str]:
        began = time.perf_counter()
        with self._engine.begin() as transaction:
            study = studies.find_key(transaction, job.study_key)
            if study is None:
                yield "the study does not exist any more"
                return
            pending = trials.pending(transaction, study)
            finished = self._finished(transaction, study, pending)
            priors = [prior for name in study.spec.learns_from if (prior := self._prior(transaction, study, name))]
            left = time_left(study.spec.stopping, study.progress, study.create_time, time.time())
        # Calls that wait together may ask for more than the budget still allows.
        count = job.count if study.remaining_trials is None else max(1, min(job.count, study.remaining_trials))
        algorithm = algorithm_for(study.spec.algorithm)
        at_once = 1 if algorithm.traits.one_by_one and not job.spaces else count
        curves: Curves = StoredCurves(self._engine.begin, study.key) if algorithm.traits.needs_curves else NoCurves()
        points: list[Suggestion] = []
        seconds, more = None, True
        while more:
            first = study.next_trial_number
            problem = Problem(study.spec, study.position + len(points), priors, study.seed, study.has_grown)
            rng = dataclasses.replace(study, next_trial_number=first + len(points)).rng
            known = [*pending, *as_trials(points, first)]
            completed, stopped = _parted(finished)
            request = Request(problem, completed, known, at_once, rng, curves, stopped, left)
            found = suggest_in(job.spaces, algorithm, request)
            points += found.suggestions
            more = len(found.suggestions) == at_once and len(points) < count
            seconds = seconds or time.perf_counter() - began
            yield Answer(
                version=study.version,
                results=len(finished),
                next_trial_number=study.next_trial_number,
                running=sum(trial.state is TrialState.ACTIVE for trial in pending),
                median_seconds=_median_seconds(finished),
                seconds=seconds,
                suggestions=tuple(points),
                over=not more and len(points) < count and not found.wait,
                wait=found.wait,
                note=found.note,
                late=found.late,
                more=more,
            )

    def _fitted_curves(self, job: CurveJob) -> FittedCurves:
        # Not before: they need SciPy, for which the first suggestion should not wait.
        from dodona_server.curve_model.model import fit_table
        from dodona_server.service.computing.curve_table import read_table

        with self._engine.begin() as transaction:
            table = read_table(transaction, job.study_key)
        return FittedCurves(None if table is None else fit_table(table))

    def _replayed(self, job: ReplayJob) -> Replayed:
        from dodona_server.service.computing.replays import replayed

        with self._engine.begin() as transaction:
            return Replayed(replayed(transaction, job.study_key))

    def _finished(self, transaction: Transaction, study: Study, pending: Sequence[Trial]) -> list[Trial]:
        """Return the study's finished trials in order; read only those that may be new."""
        history = self._histories.pop(study.key, None)
        if history is None or history.version != study.version:
            history = _History(study.version)
        self._histories[study.key] = history
        while len(self._histories) > MAX_HISTORIES:
            del self._histories[next(iter(self._histories))]
        kept = [trial for trial in history.finished if trial.number <= history.complete_to]
        if (rule := study.spec.stopping_rule) and rule.update_stopped_trials:
            kept = _renewed(transaction, study, kept)
        after = history.complete_to
        while page := trials.finished(transaction, study, after, PAGE):
            kept += page
            after = page[-1].number
        history.finished = kept
        history.complete_to = min((trial.number for trial in pending), default=study.next_trial_number) - 1
        return kept

    def _prior(self, transaction: Transaction, study: Study, name: str) -> Prior | None:
        """Return an earlier study, by its id in the same location or by its full name; None if it does not exist."""
        try:
            earlier = studies.find(transaction, study.name.parent.study(name))
        except DodonaError:
            return None
        if earlier is None or earlier.key == study.key:
            return None
        ranked = ranking.ranking(transaction, earlier, None, MAX_PRIOR_TRIALS)
        whole = (trial for trial in ranked if not trial.stopped)
        return Prior(earlier.spec, sorted(whole, key=lambda trial: trial.number), name)


def _renewed(transaction: Transaction, study: Study, finished: Sequence[Trial]) -> list[Trial]:
    """Return the trials, with the newest results of those that are predicted: each trial that ends renews them."""
    predicted = [trial.number for trial in finished if trial.final_measurement and trial.final_measurement.predicted]
    newest = {trial.number: trial for trial in trials.find_numbered(transaction, study.key, predicted, brief=True)}
    return [newest.get(trial.number, trial) for trial in finished]


def _parted(finished: Sequence[Trial]) -> tuple[Sequence[Trial], Sequence[Trial]]:
    """Return the trials that were not stopped early, and those that were."""
    stopped = [trial for trial in finished if trial.stopped]
    return ([trial for trial in finished if not trial.stopped] if stopped else finished), stopped


def _median_seconds(finished: Sequence[Trial]) -> float | None:
    """Return the median duration of the latest trials, without those created with a result, which took no time."""
    took = (
        trial.end_time - trial.start_time
        for trial in reversed(finished)
        if trial.start_time is not None and trial.end_time is not None and trial.end_time > trial.start_time
    )
    return statistics.median(latest) if (latest := list(itertools.islice(took, LATEST))) else None
