"""The difference between two peers that ran the same problems with the same seeds."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quality.scores import RESAMPLES, Record, log_regret

# For each problem, the differences of log10 regret with each seed.
Differences = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of log10 regret; below 0 the peer is better than the baseline.

    Args:
        peer: compared with the baseline.
        pending: the number of trials that run at once.
        problems: number of them.
        seeds: the least number of a problem.
        mean: over problems, each the mean over its seeds.
        low: of the 95 % interval, if other problems were drawn, and other seeds of each.
        high: likewise.
    """

    peer: str
    pending: int
    problems: int
    seeds: int
    mean: float
    low: float
    high: float


def compare(records: Sequence[Record], baseline: str, mark: int) -> list[Comparison]:
    """Return a comparison for each peer and number of pending trials, over the runs that `baseline` has too."""
    regrets = {
        (record["peer"], record["pending"], record["problem"], record["seed"]): _regret(record, str(mark))
        for record in records
        if str(mark) in record["trace"]
    }
    found: dict[tuple[str, int], Differences] = defaultdict(lambda: defaultdict(list))
    for (peer, pending, problem, seed), regret in regrets.items():
        same = regrets.get((baseline, pending, problem, seed))
        if peer != baseline and same is not None:
            found[peer, pending][problem].append(regret - same)
    return [_comparison(peer, pending, of) for (peer, pending), of in found.items()]


def _regret(record: Record, mark: str) -> float:
    return log_regret(record["trace"][mark], record["baseline"][mark], record["best"])


def _comparison(peer: str, pending: int, differences: Differences) -> Comparison:
    generator = np.random.default_rng(0)
    problems = [np.array(of) for of in differences.values()]
    means = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(len(problems), size=len(problems))
        means.append(statistics.mean(float(generator.choice(problems[at], len(problems[at])).mean()) for at in drawn))
    low, high = np.quantile(means, (0.025, 0.975))
    mean = statistics.mean(float(of.mean()) for of in problems)
    return Comparison(peer, pending, len(problems), min(map(len, problems)), mean, float(low), float(high))
