"""Decay-curve rule (Golovin et al. 2017, Google Vizier; Vertex's DecayCurveAutomatedStoppingSpec).

A regression on the other trials' curves predicts the final value of a trial from its own curve so far. The trial stops
if the probability that it exceeds the optimum found so far is very low.
"""

from __future__ import annotations

from dodona_server.stopping.contract import Case, Decision
from dodona_server.stopping.prediction import prediction_of, shown

LEAST_CHANCE = 0.01
# How many trials must have reached the end of a training.
LEAST_ENDED = 3


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None."""
    prediction = prediction_of(case)
    if prediction is None or prediction.model.trials[-1] < LEAST_ENDED:
        return None
    optimum = prediction.model.best
    chance = prediction.model.chance_of_exceeding(prediction.forecast, optimum)
    if chance is None or chance >= LEAST_CHANCE:
        return None
    return (
        f"the chance to exceed the optimum so far, {case.value(optimum)}, is {shown(chance)}; "
        f"{prediction.expected(case)}; best so far {case.value(case.point.best)}"
    )
