"""Results of trials that the convex rule has stopped: predictions of what their trainings would have reached."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from dodona_server.domain.space import Value
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import Goal, Study
from dodona_server.domain.trials.trial import Measurement, Trial
from dodona_server.stopping.convex import DOUBLINGS, Autoregression, Gains, fit
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import curves, ended_curves, trials


@dataclass(frozen=True, slots=True)
class _Predictor:
    """Predicts the last measurement of the study's trials, at the position `last`."""

    study: Study
    rule: StoppingRule
    model: Autoregression
    last: float

    def predict(self, trial: Trial, final: Measurement, position: float, best: float, half: float) -> Measurement:
        """Return the last measurement of a trial whose curve is known up to a position; see `Autoregression.end`."""
        metric = self.study.spec.objectives[0]
        end = self.model.end(position, best, half, self.last, _learning_rate(self.rule, trial.parameters))
        metrics = {**final.metrics, metric.id: end if metric.goal is Goal.MAXIMIZE else -end}
        if self.rule.use_elapsed_time:
            return Measurement(metrics, final.step, self.last, predicted=True)
        return Measurement(metrics, round(self.last), final.elapsed_seconds, predicted=True)


def predicted(transaction: Transaction, study: Study, trial: Trial, final: Measurement) -> Measurement:
    """Return the result of a stopped trial: a prediction if its study has the convex rule, else the measured one.

    Args:
        transaction: to read in.
        study: the trial's.
        trial: one that ends early.
        final: its last measurement.
    """
    predictor = _predictor(transaction, study)
    known = None if predictor is None else curves.last(transaction, study.key, trial.number)
    if predictor is None or known is None or known.position >= predictor.last:
        return final
    half = curves.best_at(transaction, study.key, trial.number, known.position / 2)
    return predictor.predict(trial, final, known.position, known.best, known.best if half is None else half)


def renew(transaction: Transaction, study: Study) -> None:
    """Predict the results of the study's stopped trials again, by the newest model, if its rule says so."""
    rule = study.spec.stopping_rule
    if rule is None or not rule.update_stopped_trials:
        return
    predictor = _predictor(transaction, study)
    if predictor is None:
        return
    known = {one.number: one for one in ended_curves.stopped(transaction, study)}
    for trial in trials.find_numbered(transaction, study.key, list(known), brief=True):
        curve, final = known[trial.number], trial.final_measurement
        if final is None or not final.predicted:
            continue
        half = curve.best if curve.half is None else curve.half
        renewed = predictor.predict(trial, final, curve.position, curve.best, half)
        if renewed != final:
            trials.set_predicted(transaction, study, trial.number, renewed)


def _predictor(transaction: Transaction, study: Study) -> _Predictor | None:
    """Return the study's predictor; None without a convex rule, or if the last position is not known."""
    rule, goal = study.spec.stopping_rule, study.spec.objectives[0].goal
    if rule is None or rule.method is not StoppingMethod.CONVEX or not study.spec.stops_trials:
        return None
    completed = ended_curves.completed(transaction, study.key, goal, least=1)
    if rule.max_steps is None and completed is None:
        return None
    last = completed[1] if rule.max_steps is None and completed is not None else float(rule.max_steps or 0)
    seen = ended_curves.values_at(transaction, study, [part * last for part in DOUBLINGS])
    gains = [
        Gains([after - before for before, after in itertools.pairwise(known)], _learning_rate(rule, values))
        for values, bests in seen
        if len(known := [best for best in bests if best is not None]) == len(bests)
    ]
    return _Predictor(study, rule, fit(gains), last)


def _learning_rate(rule: StoppingRule, values: Mapping[str, Value]) -> float | None:
    value = values.get(rule.learning_rate_parameter or "")
    return float(value) if isinstance(value, int | float) else None
