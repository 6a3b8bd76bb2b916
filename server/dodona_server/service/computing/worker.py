"""What a process of the pool does: reads a study's history and asks its algorithm."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from dodona_server.domain.errors import DodonaError
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import Value
from dodona_server.domain.study import Study, Version
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.oracle import Prior, Problem, algorithm_for
from dodona_server.oracle.contexts import suggest_in
from dodona_server.service.fitting import Answer, Job
from dodona_server.storage import ranking, studies, suggestions, trials
from dodona_server.storage.opening import open_reader
from dodona_server.storage.store import Transaction

PAGE = 5000
# How many suggestions are computed ahead, however many workers run.
MAX_AHEAD = 8
# Histories that are remembered, and how much of each earlier study is learned from.
MAX_HISTORIES = 32
MAX_PRIOR_TRIALS = 1000


@dataclass(slots=True)
class _History:
    """The finished trials of a study, in order; of those up to `complete_to` none is still to come."""

    version: Version
    finished: list[Trial] = field(default_factory=list)
    complete_to: int = 0


class Fitter:
    """Answers jobs.

    Args:
        url: of the database.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_reader(url)
        self._histories: dict[int, _History] = {}

    def answer(self, job: Job) -> Answer | str:
        """The answer to a job, or why there is none."""
        try:
            with self._engine.begin() as transaction:
                study = studies.find_key(transaction, job.study_key)
                if study is None:
                    return "the study does not exist any more"
                history = self._history(transaction, study)
                unfinished = trials.pending(transaction, study)
                # Points that wait will be run: another computation may not come upon them once more.
                waiting = suggestions.waiting(transaction, study.key)
                priors = [
                    prior for name in study.spec.prior_studies if (prior := self._prior(transaction, study, name))
                ]
            imagined = [_imagined(study, index, point) for index, point in enumerate(waiting)]
            answer = _suggested(study, job, history.finished, unfinished, imagined, priors)
            if answer.over and imagined and job.ahead:
                # Those that wait were all that is left, or some of it: this answer takes their place.
                answer = _suggested(study, job, history.finished, unfinished, [], priors)
            return answer
        except Exception as error:  # noqa: BLE001 - whatever it is, the server has to hear of it
            return f"{type(error).__name__}: {error}"

    def use_idle_time(self) -> None:
        """Imports what the next suggestions will need."""
        if "dodona_server.oracle.gp.bandit" in sys.modules:
            importlib.import_module("dodona_server.oracle.gp.modelled")

    def _history(self, transaction: Transaction, study: Study) -> _History:
        history = self._histories.pop(study.key, None)
        if history is None or history.version != study.version:
            history = _History(study.version)
        self._histories[study.key] = history
        while len(self._histories) > MAX_HISTORIES:
            del self._histories[next(iter(self._histories))]
        unfinished = trials.pending(transaction, study)
        floor = min((trial.number for trial in unfinished), default=study.next_trial_number) - 1
        kept = [trial for trial in history.finished if trial.number <= history.complete_to]
        after = history.complete_to
        while page := trials.finished(transaction, study, after, PAGE):
            kept += page
            after = page[-1].number
        history.finished = kept
        history.complete_to = floor
        return history

    def _prior(self, transaction: Transaction, study: Study, name: str) -> Prior | None:
        """An earlier study, by its id in the same location or by its whole name; None if it is not there."""
        try:
            earlier = studies.find(transaction, _named(study, name))
        except DodonaError:
            return None
        if earlier is None or earlier.key == study.key:
            return None
        ranked = ranking.ranking(transaction, earlier, None, MAX_PRIOR_TRIALS)
        return Prior(earlier.spec, sorted(ranked, key=lambda trial: trial.number))


def _named(study: Study, name: str) -> StudyName:
    parts = name.split("/")
    if len(parts) == 6:
        return StudyName(Location(parts[1], parts[3]), parts[5])
    return StudyName(study.name.parent, name)


def _imagined(study: Study, index: int, parameters: Mapping[str, Value]) -> Trial:
    """A point that waits, as the trial that it will be."""
    return Trial(study.next_trial_number + index, TrialState.REQUESTED, parameters)


def _suggested(
    study: Study, job: Job, finished: list[Trial], unfinished: list[Trial], imagined: list[Trial], priors: list[Prior]
) -> Answer:
    algorithm = algorithm_for(study.spec.algorithm)
    count = job.count
    if job.ahead:
        running = sum(trial.state is TrialState.ACTIVE for trial in unfinished)
        count = max(count, min(MAX_AHEAD, running))
        if study.remaining_trials is not None:
            count = max(1, min(count, study.remaining_trials))
    problem = Problem(study.spec, study.position, priors, study.seed)
    answer = suggest_in(job.spaces, algorithm, problem, finished, unfinished + imagined, count, study.rng)
    over = len(answer.parameters) < job.count and not answer.wait
    return Answer(study.version, study.next_trial_number, answer.parameters, over=over, wait=answer.wait)
