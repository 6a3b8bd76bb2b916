"""Early stopping: a report adds to the trial's curve, and the study's rule decides whether the trial continues."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.event import SERVER
from dodona_server.domain.studies.stopping_rule import StoppingMethod
from dodona_server.domain.studies.study import Goal, Study, StudySpec
from dodona_server.domain.trials.curve import CurvePoint, first_point
from dodona_server.domain.trials.listing import Listing
from dodona_server.domain.trials.transitions import Facts, allowed_step
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.service.computing.curve_models import CurveModels
from dodona_server.service.saving import save
from dodona_server.service.studies.lookup import get_spec
from dodona_server.stopping.contract import Case, Completed, Decision
from dodona_server.stopping.registry import decide
from dodona_server.storage.engine.store import Transaction, after_commit
from dodona_server.storage.trials import curves, ended_curves, listing, measurements


def judge(
    transaction: Transaction, study_key: int, trial: Trial, measurement: Measurement, models: CurveModels, now: float
) -> Trial:
    """Add a measurement to the trial's curve, stop the trial if the study's rule says so, and return it.

    Args:
        transaction: to write in; it has locked the trial.
        study_key: of a study with a rule that stops trials.
        trial: ACTIVE or STOPPING.
        measurement: of it; one without a finite objective or a position is not judged.
        models: of curves, for rules that predict.
        now: the time, in seconds since the epoch.
    """
    spec = get_spec(transaction, study_key)
    rule, metric = spec.stopping_rule, spec.objectives[0]
    value = measurement.metrics.get(metric.id)
    if rule is None or value is None:
        return trial
    if math.isfinite(value):
        oriented = value if metric.goal is Goal.MAXIMIZE else -value
        position = measurement.elapsed_seconds if rule.use_elapsed_time else float(measurement.step)
        reason = _add(transaction, study_key, trial, spec, position, oriented, models)
    elif rule.method is StoppingMethod.AUTOMATIC:
        reason = f"diverged: {metric.id} is {value} at step {measurement.step}"
    else:
        reason = None
    if reason is None or trial.state is not TrialState.ACTIVE:
        return trial
    return save(transaction, study_key, allowed_step(trial, Verb.STOP, Facts(now=now, actor=SERVER, reason=reason)))


def renew_curves(transaction: Transaction, study: Study) -> None:
    """Build the curves of the latest trials from their measurements, for a study that gets a rule.

    Args:
        transaction: to write in; it has locked the study.
        study: with its new rule.
    """
    rule, metric = study.spec.stopping_rule, study.spec.objectives[0]
    if rule is None:
        return
    for trial in listing.page(transaction, study, Listing(), curves.COMPARED).entries:
        curves.delete(transaction, study.key, trial.number)
        before: CurvePoint | None = None
        for one in measurements.measured(transaction, study.key, trial):
            value = one.metrics.get(metric.id, math.nan)
            position = one.elapsed_seconds if rule.use_elapsed_time else float(one.step)
            if not math.isfinite(value) or not max(0.0, before.position if before else 0.0) < position < math.inf:
                continue
            oriented = value if metric.goal is Goal.MAXIMIZE else -value
            point = first_point(position, oriented) if before is None else before.after(position, oriented)
            curves.put(transaction, study.key, trial.number, before, point)
            before = point


def _add(
    transaction: Transaction,
    study_key: int,
    trial: Trial,
    spec: StudySpec,
    position: float,
    value: float,
    models: CurveModels,
) -> Decision:
    """Add a value to the trial's curve, and return the reason to stop the trial; None if it continues."""
    rule = spec.stopping_rule
    if rule is None or not 0 < position < math.inf:
        return None
    before = curves.last(transaction, study_key, trial.number)
    point = first_point(position, value) if before is None else before.after(position, value)
    curves.put(transaction, study_key, trial.number, before, point)
    if before is not None and before.position == point.position:
        return None
    model = models.of(study_key) if rule.uses_curve_model else None
    if rule.uses_curve_model and (
        model is None or model.passes(0.0 if before is None else before.position, point.position)
    ):
        after_commit(transaction, lambda: models.on_news(study_key))
    goal = spec.objectives[0].goal
    known = _StoredCurves(transaction, study_key, trial.number, goal)
    return decide(Case(rule, before, point, known, goal is Goal.MAXIMIZE, trial.number, model))


@dataclass(frozen=True, slots=True)
class _StoredCurves:
    """Curves in the database, as the trial `number` sees them."""

    transaction: Transaction
    study_key: int
    number: int
    goal: Goal

    def best_at(self, position: float) -> float | None:
        return curves.best_at(self.transaction, self.study_key, self.number, position)

    def bests_at(self, position: float) -> Sequence[float]:
        return curves.bests_at(self.transaction, self.study_key, self.number, position)

    def means_at(self, position: float) -> Sequence[float]:
        return curves.means_at(self.transaction, self.study_key, self.number, position)

    def any_better(self, best: float) -> bool:
        return curves.any_better(self.transaction, self.study_key, best)

    def completed(self, least: int) -> Completed | None:
        known = ended_curves.completed(self.transaction, self.study_key, self.goal, least)
        return None if known is None else Completed(*known)
