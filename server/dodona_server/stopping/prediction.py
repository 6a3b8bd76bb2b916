"""Common part of rules that predict: when they judge a trial, and what they expect of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dodona_server.stopping.contract import Case

if TYPE_CHECKING:
    # Not before there is a model: it needs NumPy and SciPy, which take half a second and memory.
    from dodona_server.curve_model.model import CurveModel, Forecast

# Curves cross most at their start: trials with a high learning rate begin badly and may end best.
FREE_MEASUREMENTS = 2
# The share of a training that is never judged. It decides more than the threshold whether a late starter is lost.
FREE_SHARE = 0.1
LEAST_TRIALS = 8


@dataclass(frozen=True, slots=True)
class Prediction:
    """A trial that has reached a rung of the model.

    Args:
        model: of the study's curves.
        trials: how many trials have reached the rung.
        forecast: of the trial.
    """

    model: CurveModel
    trials: int
    forecast: Forecast

    def expected(self, case: Case) -> str:
        """Return the forecast as text."""
        mean, deviation = self.forecast.mean, self.forecast.deviation
        return f"{case.value(mean)} ± {deviation:.3g} is expected at {case.place(float(self.model.rungs[-1]))}"


def shown(chance: float) -> str:
    """Return a small probability as text."""
    return "below 0.0001" if chance < 0.0001 else f"{chance:.1g}"


def prediction_of(case: Case) -> Prediction | None:
    """Return what is expected of a trial; None if it has reached no new rung, or if too little is known."""
    model, point = case.model, case.point
    if model is None or point.count <= FREE_MEASUREMENTS or point.position < FREE_SHARE * model.rungs[-1]:
        return None
    rung = model.rung(point.position)
    before = None if case.before is None else model.rung(case.before.position)
    if rung is None or rung == before or model.trials[rung] < LEAST_TRIALS:
        return None
    if rung == len(model.rungs) - 1:
        # The training ends here anyway.
        return None
    earlier = case.curves.best_at(float(model.rungs[rung - 1])) if rung else None
    return Prediction(model, model.trials[rung], model.predict(rung, point.best, earlier))
