"""Best rule of the server: a trial stops if it has almost no chance to end as the best of all.

Rivals are the trials that run and those that have ended. So it saves steps from the start, also if many workers run
and no trial has ended.
"""

from __future__ import annotations

from dodona_server.stopping.contract import Case, Decision
from dodona_server.stopping.prediction import prediction_of, shown

# Small, as all trials of a search together may lose the best one.
LEAST_CHANCE = 0.003


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None."""
    prediction = prediction_of(case)
    if prediction is None:
        return None
    chance = prediction.model.chance_of_winning(prediction.forecast, case.number)
    if chance >= LEAST_CHANCE:
        return None
    return (
        f"the chance to end as the best of {prediction.trials} trials that reached "
        f"{case.place(case.point.position)} is {shown(chance)}; "
        f"{prediction.expected(case)}; best so far {case.value(case.point.best)}"
    )
