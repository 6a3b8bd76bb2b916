"""What the model knows of a trial, and the positions at which it compares trials."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Each rung is about this many times the one before: changes of the ranks go with the logarithm of the position.
RATIO = 1.35
MOST_RUNGS = 24
# How many times the longest curve a training may last, while none has ended.
UNSEEN = 3.0


class Progress(enum.Enum):
    """What comes after the known part of a curve.

    RUNNING: the trial is training. STOPPED: it was stopped, nobody knows what would have come. ENDED: nothing comes,
    because the training ended by itself or diverged; its best value stays.
    """

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Curve:
    """The known part of a trial's curve.

    Args:
        positions: increasing; at least one.
        bests: the best value up to each position, finite; larger is better.
        progress: what comes next.
    """

    positions: Array
    bests: Array
    progress: Progress


def rungs_of(curves: Sequence[Curve]) -> Array:
    """Return the positions at which to compare the curves; the last one is the end of a training.

    They are positions of the longest curve, so that trials which report at the same steps are compared at these.
    """
    longest = max(curves, key=lambda curve: (curve.positions[-1], len(curve.positions)))
    end = float(longest.positions[-1])
    if all(curve.progress is not Progress.ENDED for curve in curves):
        end *= UNSEEN
    candidates = longest.positions
    ratio = max(RATIO, (end / candidates[0]) ** (1 / MOST_RUNGS))
    rungs = [float(candidates[0])]
    while rungs[-1] < end:
        later = candidates[candidates > rungs[-1]]
        least = rungs[-1] * ratio
        reached = later[later >= least * (1 - 1e-9)]
        # One rung less is better than two that are almost the same.
        following = float(reached[0]) if len(reached) else min(least, end) if not len(later) else float(later[-1])
        rungs.append(end if following * ratio**0.5 > end else following)
    return np.array(rungs)


def bests_at(curves: Sequence[Curve], rungs: Array) -> Array:
    """Return the best value of each curve (rows) at each rung (columns); NaN where it is not known."""
    table = np.full((len(curves), len(rungs)), np.nan)
    for row, curve in zip(table, curves, strict=True):
        known = np.searchsorted(curve.positions, rungs, side="right") - 1
        reached = known >= 0
        if curve.progress is not Progress.ENDED:
            reached &= rungs <= curve.positions[-1]
        row[reached] = curve.bests[known[reached]]
    return table
