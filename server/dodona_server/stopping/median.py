"""Median rule (Golovin et al. 2017, Google Vizier), with a start in which no trial is stopped.

A trial stops if its best value is strictly worse than the median of the means of the other trials up to its position.
"""

from __future__ import annotations

import statistics

from dodona_server.stopping.contract import Case, Decision

# Curves cross most at their start: trials with a high learning rate begin badly and may end best.
FREE_MEASUREMENTS = 3
LEAST_TRIALS = 5


def decide(case: Case) -> Decision:
    """Return the reason to stop the trial, or None."""
    if case.point.count <= FREE_MEASUREMENTS:
        return None
    means = case.curves.means_at(case.point.position)
    if len(means) < LEAST_TRIALS:
        return None
    median = statistics.median(means)
    if case.point.best >= median:
        return None
    return (
        f"median of {len(means)} trials at {case.place(case.point.position)} is {case.value(median)}; "
        f"best so far {case.value(case.point.best)}"
    )
