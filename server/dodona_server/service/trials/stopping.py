"""Early stopping: a report adds to the trial's curve, and the study's rule decides whether the trial goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.curve import first_point
from dodona_server.domain.event import SERVER
from dodona_server.domain.study import Goal, StudySpec
from dodona_server.domain.transitions import Facts, allowed_step
from dodona_server.domain.trial import Measurement, Trial, TrialState
from dodona_server.domain.trial_states import Verb
from dodona_server.service.saving import save
from dodona_server.service.studies.lookup import get_spec
from dodona_server.stopping.contract import Case, Completed
from dodona_server.stopping.registry import decide
from dodona_server.storage import curves, ended_curves
from dodona_server.storage.store import Transaction


def judge(transaction: Transaction, study_key: int, trial: Trial, measurement: Measurement, now: float) -> Trial:
    """Add a measurement to the trial's curve, stop the trial if the study's rule says so, and return it.

    Args:
        transaction: to write in; it has locked the trial.
        study_key: of a study with a rule that stops trials.
        trial: ACTIVE or STOPPING.
        measurement: of it; one without a finite objective or a position is not judged.
        now: the time, in seconds since the epoch.
    """
    spec = get_spec(transaction, study_key)
    rule, objective = spec.stopping_rule, _objective(spec, measurement)
    position = measurement.elapsed_seconds if rule is not None and rule.use_elapsed_time else float(measurement.step)
    if rule is None or objective is None or not 0 < position < math.inf:
        return trial
    before = curves.last(transaction, study_key, trial.number)
    point = first_point(position, objective) if before is None else before.after(position, objective)
    curves.put(transaction, study_key, trial.number, before, point)
    if trial.state is not TrialState.ACTIVE or (before is not None and before.position == point.position):
        return trial
    goal = spec.objectives[0].goal
    known = _StoredCurves(transaction, study_key, trial.number, goal)
    reason = decide(Case(rule, before, point, known, goal is Goal.MAXIMIZE))
    if reason is None:
        return trial
    return save(transaction, study_key, allowed_step(trial, Verb.STOP, Facts(now=now, actor=SERVER, reason=reason)))


def _objective(spec: StudySpec, measurement: Measurement) -> float | None:
    """Return the measured objective, oriented so that larger is better; None if it is missing or not finite."""
    metric = spec.objectives[0]
    value = measurement.metrics.get(metric.id)
    if value is None or not math.isfinite(value):
        return None
    return value if metric.goal is Goal.MAXIMIZE else -value


@dataclass(frozen=True, slots=True)
class _StoredCurves:
    """The curves in the database, as the trial `number` sees them."""

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
