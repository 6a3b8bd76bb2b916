"""Registry of the stopping rules, and what holds for all of them.

To add a rule, add a module beside this one and a line in `RULES`.
"""

from __future__ import annotations

from dodona_server.domain.studies.stopping_rule import StoppingMethod
from dodona_server.stopping import asha, automatic, convex, decay_curve, median, no_progress
from dodona_server.stopping.contract import Case, Decide, Decision

RULES: dict[StoppingMethod, Decide] = {
    StoppingMethod.AUTOMATIC: automatic.decide,
    StoppingMethod.DECAY_CURVE: decay_curve.decide,
    StoppingMethod.MEDIAN: median.decide,
    StoppingMethod.CONVEX: convex.decide,
    StoppingMethod.ASHA: asha.decide,
    StoppingMethod.NO_PROGRESS: no_progress.decide,
}


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None; the best trial of the study so far always continues."""
    reason = RULES[case.rule.method](case)
    return reason if reason is not None and case.curves.any_better(case.point.best) else None
