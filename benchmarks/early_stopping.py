"""Replay stored learning curves under each stopping rule: the steps that are used, and what the search loses.

    python benchmarks/early_stopping.py CURVES.npz [--studies 12] [--workers 1 8 64]

The file has an array `TASK/valid` (configurations x evaluations of a loss, the first one untrained) for each task. A
study is a random search: 100 configurations in random order, without a model, every evaluation reported. Time is
simulated: the workers take turns, one evaluation each. The loss of a study is the part of the gap from the median to
the best configuration of the task that it loses by its choice: the trial with the best value among all reports, trained
to the end.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dodona_server.domain.curve import CurvePoint, first_point
from dodona_server.domain.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.stopping.contract import Case
from dodona_server.stopping.registry import decide

Array = npt.NDArray[np.float64]

TRIALS = 100
# Stands for the loss of a diverged training.
WORST = 1e9
RULES: dict[str, StoppingRule | None] = {
    "no stopping": None,
    "median": StoppingRule(StoppingMethod.MEDIAN),
    "asha, from step 1": StoppingRule(StoppingMethod.ASHA, min_resource=1, reduction_factor=3),
    "asha, from step 3": StoppingRule(StoppingMethod.ASHA, min_resource=3, reduction_factor=3),
    "no_progress, 10 steps": StoppingRule(StoppingMethod.NO_PROGRESS, patience=10),
}


@dataclass
class Replay:
    """A trial during the replay: its values, oriented so that larger is better, and its curve so far."""

    values: Array
    points: list[CurvePoint] = field(default_factory=list)
    finished: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the trial was stopped or has no values left."""
        return self.finished or len(self.points) == len(self.values)


@dataclass(frozen=True)
class ReplayedCurves:
    """The curves of a replayed study as a trial sees them; see `dodona_server.stopping.contract.Curves`."""

    own: Replay
    trials: Sequence[Replay]

    def best_at(self, position: float) -> float | None:
        """See `Curves`."""
        before = [point.best for point in self.own.points if point.position <= position]
        return before[-1] if before else None

    def bests_at(self, position: float) -> list[float]:
        """See `Curves`."""
        return [one.points[int(position) - 1].best for one in self._reached(position)]

    def means_at(self, position: float) -> list[float]:
        """See `Curves`."""
        return [one.points[int(position) - 1].mean for one in self._reached(position) if one.is_over]

    def any_better(self, best: float) -> bool:
        """See `Curves`."""
        return any(one.points and one.points[-1].best > best for one in self.trials)

    def _reached(self, position: float) -> list[Replay]:
        return [one for one in self.trials if one is not self.own and len(one.points) >= position]


def replayed(values: Array, rule: StoppingRule | None, workers: int) -> tuple[int, int]:
    """Return the number of evaluations that a study uses, and the configuration that it chooses."""
    trials = [Replay(row) for row in values]
    waiting = list(reversed(trials))
    running: list[Replay] = []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(waiting.pop())
        for trial in running:
            _report(trial, trials, rule)
        running = [trial for trial in running if not trial.is_over]
    bests = [trial.points[-1].best for trial in trials]
    return sum(len(trial.points) for trial in trials), int(np.argmax(bests))


def _report(trial: Replay, trials: Sequence[Replay], rule: StoppingRule | None) -> None:
    step, value = len(trial.points) + 1, float(trial.values[len(trial.points)])
    before = trial.points[-1] if trial.points else None
    point = first_point(step, value) if before is None else before.after(step, value)
    trial.points.append(point)
    if rule is not None and decide(Case(rule, before, point, ReplayedCurves(trial, trials), maximized=True)):
        trial.finished = True


def main() -> None:
    """Print a table: a row for each rule and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", type=Path)
    parser.add_argument("--studies", type=int, default=12, help="of each task")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    given = parser.parse_args()
    with np.load(given.curves) as stored:
        tasks = {name: stored[name][:, 1:].astype(float) for name in stored.files if name.endswith("/valid")}
    tasks = {name: -np.where(np.isfinite(losses), np.minimum(losses, WORST), WORST) for name, losses in tasks.items()}
    print("| workers | rule | steps used | mean loss | keeps the best | loses over 1% |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for workers in given.workers:
        for name, rule in RULES.items():
            figures = [
                _figures(values, rule, workers, f"{task}/{seed}")
                for task, values in tasks.items()
                for seed in range(given.studies)
            ]
            used, losses = [used for used, _ in figures], [loss for _, loss in figures]
            shares = [statistics.mean(used), statistics.mean(losses)]
            shares += [statistics.mean(loss <= 0 for loss in losses), statistics.mean(loss > 0.01 for loss in losses)]
            cells = [f"{shares[0]:.0%}", f"{shares[1]:.2%}", f"{shares[2]:.0%}", f"{shares[3]:.0%}"]
            print(f"| {workers} | {name} | {' | '.join(cells)} |", flush=True)


def _figures(values: Array, rule: StoppingRule | None, workers: int, seed: str) -> tuple[float, float]:
    """Return the share of the steps that a study uses, and the share of the task's gap that it loses."""
    chosen = values[random.Random(seed).sample(range(len(values)), TRIALS)]
    used, choice = replayed(chosen, rule, workers)
    whole, ends = values.max(axis=1), chosen.max(axis=1)
    return used / chosen.size, float((ends.max() - ends[choice]) / (whole.max() - np.median(whole)))


if __name__ == "__main__":
    main()
