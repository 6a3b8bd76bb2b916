"""Read the curves of a study that ran without a stopping rule, and replay the rule "auto" on them."""

from __future__ import annotations

from dodona_server.domain.studies.study import Goal, Study
from dodona_server.domain.trials.listing import Among, Listing
from dodona_server.domain.trials.trial import Measurement, Trial
from dodona_server.stopping.replay import Replay, Training, replay
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import listing, measurements

# The latest trials, and the measurements of each; more would take longer than a reader waits.
MOST_TRIALS, MOST_POINTS = 128, 100


def replayed(transaction: Transaction, study_key: int) -> Replay | None:
    """Return what the rule would have done; None if there are too few trials, or their curves are too short."""
    study = studies.find_key(transaction, study_key)
    if study is None:
        return None
    latest = listing.page(transaction, study, Listing(among=Among.SUCCEEDED), MOST_TRIALS).entries
    trials = {trial.number: trial for trial in latest if not trial.stopped}
    steps = measurements.last_steps(transaction, study_key, sorted(trials)) if trials else {}
    trainings = []
    for number, last in sorted(steps.items()):
        curve = measurements.sample(transaction, study_key, number, last, MOST_POINTS)
        trainings.append(_training(study, trials[number], curve))
    return replay(trainings)


def _training(study: Study, trial: Trial, curve: list[Measurement]) -> Training:
    metric = study.spec.objectives[0]
    sign = 1.0 if metric.goal is Goal.MAXIMIZE else -1.0
    points = {one.step: sign * one.metrics[metric.id] for one in curve if one.step > 0 and metric.id in one.metrics}
    start = trial.start_time or trial.create_time
    return Training(trial.number, start, trial.end_time or start, list(points), list(points.values()))
