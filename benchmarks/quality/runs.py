"""A run: a peer, a problem, a seed; sequential or with a constant number of pending trials."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from dodona_server.algorithms.simple.sampling import sample
from quality.peers import Peer
from quality.problems import Problem

# The numbers of finished trials at which the best so far is recorded, for the curves and the scores.
MARKS = (1, 2, 3, 5, 8, 12, 18, 25, 35, 50, 70, 100)
BASELINE_SEEDS = 200

Trace = dict[int, float]


def run(problem: Problem, make: Callable[[], Peer], seed: int, budget: int, pending: int) -> tuple[Trace, float]:
    """Return the true value of the trial that measured best at each mark, and the median seconds per suggestion.

    Args:
        problem: what to minimize.
        make: the peer.
        seed: of the noise and of the order in which pending trials end.
        budget: the number of finished trials.
        pending: the number of trials that run at once; 1 is sequential.
    """
    rng = random.Random(f"{problem.name}/{seed}")
    started = time.process_time()
    peer = make()
    costs: list[float] = []
    under_way: list[tuple[Any, float, float]] = []
    best_measured, best_true, trace = float("inf"), float("nan"), {}
    for finished in range(1, budget + 1):
        while len(under_way) < pending and len(costs) < budget:
            started = time.process_time()
            try:
                token, values = peer.ask()
            except StopIteration:
                break
            costs.append(time.process_time() - started)
            true = problem.true(values)
            under_way.append((token, true + problem.noise(rng), true))
        if under_way:
            token, measured, true = under_way.pop(rng.randrange(len(under_way)))
            started = time.process_time()
            peer.tell(token, measured)
            costs[-1] += time.process_time() - started
            if not measured >= best_measured:
                best_measured, best_true = measured, true
        if finished in MARKS:
            trace[finished] = best_true
    return trace, statistics.median(costs)


def baseline(problem: Problem, budget: int) -> dict[int, float]:
    """Return the best value at each mark, as the median over `BASELINE_SEEDS` random searches."""
    traces: list[Trace] = []
    for seed in range(BASELINE_SEEDS):
        rng = random.Random(f"baseline/{problem.name}/{seed}")
        best_measured, best_true, trace = float("inf"), float("nan"), {}
        for finished in range(1, budget + 1):
            true = problem.true(sample(problem.space, rng))
            measured = true + problem.noise(rng)
            if measured < best_measured:
                best_measured, best_true = measured, true
            if finished in MARKS:
                trace[finished] = best_true
        traces.append(trace)
    return {mark: statistics.median(trace[mark] for trace in traces) for mark in traces[0]}
