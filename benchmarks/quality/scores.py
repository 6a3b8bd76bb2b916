"""The figures of runs: normalized scores, log regret, mean ranks with bootstrap intervals."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FLOOR = 1e-4
RESAMPLES = 1000

Record = Mapping[str, Any]


def score(value: float, baseline: float, best: float) -> float:
    """Return the closed share of the gap between random search's median and the best value, within [-1, 1]."""
    if baseline <= best:
        return 0.0
    return min(max((baseline - value) / (baseline - best), -1.0), 1.0)


def log_regret(value: float, baseline: float, best: float) -> float:
    """Return the decimal logarithm of the remaining share of the gap, at least that of `FLOOR`, at most 1."""
    if baseline <= best:
        return 0.0
    return min(math.log10(max((value - best) / (baseline - best), FLOOR)), 1.0)


def table(records: Iterable[Record], mark: int, groups: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a row for each peer: mean score, log regret and rank with intervals, over problems that all peers ran.

    One interval of the rank is over problems, as if new ones were drawn. The other is over seeds, as if the same
    problems were run again.

    Args:
        records: of one mode; see `search_quality.py`.
        mark: the number of trials.
        groups: of problems to use; empty for all.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    about: dict[str, tuple[float, float]] = {}
    for record in records:
        if groups and record["group"] not in groups:
            continue
        if str(mark) in record["trace"]:
            values[record["peer"]][record["problem"]].append(record["trace"][str(mark)])
            about[record["problem"]] = record["baseline"][str(mark)], record["best"]
    if not values:
        return []
    problems = sorted(set.intersection(*(set(of_peer) for of_peer in values.values())))
    ranks = {problem: _ranks({peer: values[peer][problem] for peer in values}) for problem in problems}
    over_seeds = _seed_intervals(values, problems)
    rows = []
    for peer in values:
        per_problem = {
            problem: (
                statistics.mean(score(value, *about[problem]) for value in values[peer][problem]),
                statistics.mean(log_regret(value, *about[problem]) for value in values[peer][problem]),
            )
            for problem in problems
        }
        if not problems:
            continue
        of_peer = [ranks[problem][peer] for problem in problems]
        low, high = _interval(of_peer)
        seeds_low, seeds_high = over_seeds[peer]
        rows.append(
            {
                "peer": peer,
                "rank": statistics.mean(of_peer),
                "rank_low": low,
                "rank_high": high,
                "rank_seeds_low": seeds_low,
                "rank_seeds_high": seeds_high,
                "score": statistics.mean(one for one, _ in per_problem.values()),
                "log_regret": statistics.mean(two for _, two in per_problem.values()),
                "problems": len(problems),
                "seeds": min(len(values[peer][problem]) for problem in problems),
            }
        )
    return sorted(rows, key=lambda row: row["rank"])


def _seed_intervals(
    values: Mapping[str, Mapping[str, Sequence[float]]], problems: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return the 95 % bootstrap interval of each peer's mean rank, over the seeds of the same problems."""
    generator = np.random.default_rng(0)
    peers = list(values)
    ranks = dict.fromkeys(peers, np.ones(RESAMPLES))
    for problem in problems:
        runs = {peer: np.array(values[peer][problem]) for peer in peers}
        # The share of draws of each run.
        drawn = {
            peer: generator.multinomial(len(own), np.full(len(own), 1 / len(own)), RESAMPLES) / len(own)
            for peer, own in runs.items()
        }
        for peer, other in itertools.permutations(peers, 2):
            own, theirs = runs[peer][:, None], runs[other][None, :]
            lost = (theirs < own) + 0.5 * (theirs == own)
            ranks[peer] = ranks[peer] + ((drawn[peer] @ lost) * drawn[other]).sum(axis=1) / len(problems)
    return {peer: (float(np.quantile(of, 0.025)), float(np.quantile(of, 0.975))) for peer, of in ranks.items()}


def _ranks(runs: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean rank of each peer on one problem, over all pairs of runs: 1 is best."""
    ranks = {}
    for peer, own in runs.items():
        rank = 1.0
        for other, theirs in runs.items():
            if other != peer:
                lost = sum((b < a) + 0.5 * (b == a) for a in own for b in theirs)
                rank += lost / (len(own) * len(theirs))
        ranks[peer] = rank
    return ranks


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean over problems."""
    rng = random.Random(0)
    means = sorted(statistics.mean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]
