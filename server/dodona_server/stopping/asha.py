"""ASHA, the variant that stops trials (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

Each rung is `reduction_factor` times the one before. A trial that reaches a rung continues if its best value is among
the best 1 / `reduction_factor` of all trials that have reached it, each with its best value at that time.
"""

from __future__ import annotations

from dodona_server.domain.studies.stopping_rule import StoppingRule
from dodona_server.stopping.contract import Case, Decision


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None."""
    rung = highest_rung(case.rule, case.point.position)
    if rung is None or (case.before is not None and case.before.position >= rung):
        return None
    others = case.curves.bests_at(rung)
    trials = len(others) + 1
    promoted = int(trials / case.rule.reduction_factor)
    rank = 1 + sum(best > case.point.best for best in others)
    if promoted < 1 or rank <= promoted:
        return None
    return (
        f"rank {rank} of {trials} trials at the rung of {case.place(rung)}, of which {promoted} go on; "
        f"best so far {case.value(case.point.best)}"
    )


def highest_rung(rule: StoppingRule, position: float) -> float | None:
    """Return the highest rung that the position has reached; None if it has reached none."""
    if rule.max_resource is not None and rule.min_resource >= rule.max_resource:
        return None
    rung, following = None, rule.min_resource
    while following <= position and (rule.max_resource is None or following < rule.max_resource):
        rung, following = following, following * rule.reduction_factor
    return rung
