"""What is lost if the best share of all trials continues at each step.

The shares are chosen with hindsight, by the very searches that they are judged by, and at each step all trials are
known. A rule has neither. Only shares that fall as a power of the step are tried: others may lose less.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curves.tables import Array, CurveTable
from markdown_tables import aligned
from replays.figures import LOST
from replays.runs import TRIALS

STEPS = (3, 5, 7, 10, 14, 19, 26, 36)
# The share of all epochs that a schedule may use: on the curves held back, auto uses 34% and FREEZE_THAW 19%.
USED = (0.5, 0.34, 0.25, 0.19, 0.17)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which share of all trials continues after each step.

    Args:
        first: the first step at which trials stop.
        start: the share that continues there.
        exponent: how fast the share falls with the step: as its power.
    """

    first: int
    start: float
    exponent: float

    def share(self, step: int) -> float:
        """Return the share that continues after a step."""
        return min(1.0, self.start * (step / self.first) ** -self.exponent) if step >= self.first else 1.0

    def __str__(self) -> str:
        """Return the share after its first step, and after the last one."""
        return f"{self.share(self.first):.0%} at step {self.first}, {self.share(STEPS[-1]):.0%} at step {STEPS[-1]}"


SCHEDULES = [
    Schedule(first, start / 10, exponent)
    for first, start, exponent in itertools.product((3, 5, 7, 10), range(3, 11), (0.25, 0.5, 0.75, 1.0, 1.25, 1.5))
]


def outcome(schedule: Schedule, bests: Array) -> tuple[float, float]:
    """Return the share of all epochs that a schedule uses, and the best value that a trial reports meanwhile.

    Args:
        schedule: the shares.
        bests: the best value of each trial up to each epoch (trials x epochs); larger is better.
    """
    trials, epochs = bests.shape
    alive, used, reached, before = np.arange(trials), 0, -np.inf, 0
    for step in (*STEPS, epochs):
        used += len(alive) * (step - before)
        before = step
        values = bests[alive, step - 1]
        reached = max(reached, float(values.max()))
        count = max(1, round(schedule.share(step) * trials))
        alive = alive[np.argsort(-values, kind="stable")[:count]]
    return used / bests.size, reached


def table(tables: Sequence[CurveTable], seeds: int) -> str:
    """Return a row for each set of tables and share of the epochs: the schedule that loses least often."""
    rows = []
    for held_back in (False, True):
        chosen = [one for one in tables if one.held_back == held_back]
        results = {schedule: _results(schedule, chosen, seeds) for schedule in SCHEDULES}
        rows += [[_named(chosen, held_back), f"{most:.0%}", *_least(results, most)] for most in USED]
    return aligned(["curves", "epochs used, at most", "loses over 1%, at least", "with the shares"], rows)


def _named(chosen: Sequence[CurveTable], held_back: bool) -> str:
    return f"{len(chosen)} tables {'held back' if held_back else 'for choosing'}"


def _least(results: Mapping[Schedule, tuple[float, float]], most: float) -> tuple[str, str]:
    """Return how many searches a schedule loses at least that uses so few epochs, and the schedule."""
    lost, schedule = min(
        ((lost, schedule) for schedule, (used, lost) in results.items() if used <= most), key=lambda one: one[0]
    )
    return f"{lost:.1%}", str(schedule)


def _results(schedule: Schedule, tables: Sequence[CurveTable], seeds: int) -> tuple[float, float]:
    """Return the mean share of all epochs that a schedule uses, and in which share of the searches it loses."""
    used, lost = zip(*(_search(schedule, *search) for search in _searches(tables, seeds)), strict=True)
    return float(np.mean(used)), float(np.mean(lost))


def _search(schedule: Schedule, bests: Array, gap: float) -> tuple[float, bool]:
    used, reached = outcome(schedule, bests)
    return used, bool(bests.max() - reached > LOST * gap)


def _searches(tables: Sequence[CurveTable], seeds: int) -> Iterator[tuple[Array, float]]:
    """Yield the best values of the trials of each search, and the gap of its table."""
    for one in tables:
        values = np.where(np.isfinite(one.values), one.values, -np.inf)
        bests = np.maximum.accumulate(values, axis=1)
        for seed in range(seeds):
            rows = random.Random(f"{one.name}/{seed}").sample(range(len(bests)), min(TRIALS, len(bests)))
            yield bests[rows], one.gap()
