"""Curves of trials as the model knows them, and the positions at which it compares them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Each rung is about this many times the one before: changes of the ranks go with the logarithm of the position.
RATIO = 1.35
MOST_RUNGS = 24
# How many times the longest curve a training may last, while none has ended.
UNSEEN = 10.0
# A training that is longer by less than this is no longer one.
LONGER = 1.1


class Progress(enum.Enum):
    """Future of a trial after the known part of its curve.

    RUNNING: the trial is training. STOPPED: it was stopped, nobody knows what would have come. ENDED: nothing comes,
    because the training ended by itself or diverged; its best value stays.
    """

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Curve:
    """Known part of a trial's curve.

    Args:
        positions: increasing; at least one.
        bests: the best value up to each position, finite; larger is better.
        progress: what comes next.
    """

    positions: Array
    bests: Array
    progress: Progress


@dataclass(frozen=True, slots=True)
class Table:
    """Curves at the positions at which they are compared.

    Args:
        numbers: of the trials.
        rungs: the positions, increasing; the last one is the end of a training.
        bests: the best value of each trial (rows) at each rung (columns); NaN where it is not known.
        progress: of the trials.
        features: of their hyperparameters (trials x features), each with mean 0 and variance 1 over random trials; None
            if they are unknown.
    """

    numbers: Sequence[int]
    rungs: Array
    bests: Array
    progress: Sequence[Progress]
    features: Array | None = None


def table_of(curves: Mapping[int, Curve]) -> Table:
    """Return the table of curves by the numbers of their trials; there is at least one."""
    known = list(curves.values())
    longest = max(known, key=lambda curve: (curve.positions[-1], len(curve.positions))).positions

    def following(position: float) -> float | None:
        later = longest[longest >= position]
        return float(later[0]) if len(later) else None

    progress = [curve.progress for curve in known]
    is_open = goes_on([float(curve.positions[-1]) for curve in known], progress)
    rungs = rungs_of(float(longest[0]), float(longest[-1]), following, is_open=is_open)
    bests = np.full((len(known), len(rungs)), np.nan)
    for row, curve in zip(bests, known, strict=True):
        index = np.searchsorted(curve.positions, rungs, side="right") - 1
        reached = index >= 0
        if curve.progress is not Progress.ENDED:
            reached &= rungs <= curve.positions[-1]
        row[reached] = curve.bests[index[reached]]
    return Table(list(curves), rungs, bests, progress)


def goes_on(lasts: Sequence[float], progress: Sequence[Progress]) -> bool:
    """Return whether trainings go further than any trial has got: none of the longest ones has ended.

    Args:
        lasts: the last positions of the trials.
        progress: of the trials.
    """
    ended = [last for last, one in zip(lasts, progress, strict=True) if one is Progress.ENDED]
    return max(lasts) > LONGER * max(ended, default=0.0)


def rungs_of(first: float, last: float, following: Callable[[float], float | None], *, is_open: bool) -> Array:
    """Return the positions at which to compare curves; the last one is the end of a training.

    Args:
        first: the first position of the longest curve.
        last: its last position.
        following: returns the first of its positions from a given one on; None if there is none. Trials that report at
            the same steps are so compared at these.
        is_open: whether no training has ended yet.
    """
    ratio = max(RATIO, (last / first) ** (1 / MOST_RUNGS))
    rungs = [first]
    while (least := rungs[-1] * ratio) < last:
        rung = following(least)
        if rung is None or rung * ratio**0.5 > last:
            # Two rungs that are almost the same would tell nothing about each other.
            break
        rungs.append(rung)
    if rungs[-1] < last:
        rungs.append(last)
    return np.array([*rungs, last * UNSEEN] if is_open else rungs)
