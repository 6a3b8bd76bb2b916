"""A rule that looks at the trial alone: it stops if its best value has not improved for some time."""

from __future__ import annotations

from dodona_server.stopping.contract import Case, Decision


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None."""
    since = case.point.position - case.rule.patience
    earlier = case.curves.best_at(since)
    if earlier is None or case.point.best - earlier > case.rule.least_improvement:
        return None
    least = f" by more than {case.rule.least_improvement:.6g}" if case.rule.least_improvement else ""
    return (
        f"no improvement{least} from {case.place(since)} to {case.place(case.point.position)}; "
        f"best so far {case.value(case.point.best)}"
    )
