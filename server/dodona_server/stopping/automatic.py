"""The server's best rule: a trial stops if it has almost no chance to end as the best of all.

Rivals are the trials that run and those that have ended. So it saves steps from the start, also if many workers run
and no trial has ended.
"""

from __future__ import annotations

from dodona_server.stopping.contract import Case, Decision
from dodona_server.stopping.foresight import outlook_of, shown

# Small, as all trials of a search together may lose the best one.
LEAST_CHANCE = 0.003


def decide(case: Case) -> Decision:
    """Return why the trial should stop, or None."""
    outlook = outlook_of(case)
    if outlook is None:
        return None
    chance = outlook.model.chance_of_winning(outlook.forecast, case.number)
    if chance >= LEAST_CHANCE:
        return None
    return (
        f"the chance to end as the best of {outlook.trials} trials that reached {case.place(case.point.position)} is "
        f"{shown(chance)}; {outlook.expected(case)}; best so far {case.value(case.point.best)}"
    )
