"""Non-dominated sorting and crowding (Deb et al., NSGA-II, 2002).

Symbols: n trials, m objectives. `losses` is an (n, m) array, lower is better. `violation` is an (n,) array, 0 for safe
trials and infinite for those without a result. Indices refer to the trials in the given order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dodona_server.algorithms.contract.results import TrialResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

# Generations of a very long history are merged, so that at most this many are replayed.
_MAX_GENERATIONS = 200


def survivors(results: Sequence[TrialResult], size: int) -> list[int]:
    """Return the population after all `results`, best first, in generations of `size`.

    Args:
        results: of the finished trials, in the order in which they finished.
        size: the number of survivors of each generation.

    Returns:
        Up to `size` indices, ordered by front and then by crowding.
    """
    if not results:
        return []
    losses, violation = arrays(results)
    step = max(size, -(-len(results) // _MAX_GENERATIONS))
    alive = np.empty(0, dtype=np.intp)
    for start in range(0, len(results), step):
        together = np.concatenate([alive, np.arange(start, min(start + step, len(results)))])
        alive = together[best(losses[together], violation[together], size)]
    return [int(index) for index in alive]


def arrays(results: Sequence[TrialResult]) -> tuple[Floats, Floats]:
    """Return the results as `losses` and `violation`; the losses are 0 where there is no result."""
    width = max(len(result.losses) for result in results)
    empty = (0.0,) * width
    losses = np.array([result.losses or empty for result in results], dtype=np.float64)
    return losses.reshape(len(results), width), np.array([result.violation for result in results])


def best(losses: Floats, violation: Floats, size: int) -> Ints:
    """Return the indices of the best `size` trials, by front and then by crowding."""
    chosen: list[Ints] = []
    missing = size
    for front in fronts(losses, violation, size):
        ordered = front[np.argsort(-crowding(losses[front]), kind="stable")]
        chosen.append(ordered[:missing])
        missing -= len(chosen[-1])
    return np.concatenate(chosen)


def fronts(losses: Floats, violation: Floats, size: int) -> list[Ints]:
    """Return the fronts, best first, until they contain `size` trials or all.

    A trial with a smaller violation dominates one with a larger violation; if both are equal, the losses decide.
    """
    dominated = _dominated(losses, violation)
    count = dominated.sum(axis=0)  # how many dominate each
    left = np.ones(len(losses), dtype=bool)
    found: list[Ints] = []
    total = 0
    while total < min(size, len(losses)):
        front = np.flatnonzero(left & (count == 0))
        found.append(front)
        total += len(front)
        left[front] = False
        count = count - dominated[front].sum(axis=0)
    return found


def first_front(losses: Floats) -> NDArray[np.bool_]:
    """Return (n,): whether no other trial dominates the trial; equal trials do not dominate each other."""
    return np.asarray(~_dominated(losses, np.zeros(len(losses))).any(axis=0))


def _dominated(losses: Floats, violation: Floats) -> NDArray[np.bool_]:
    """Return (n, n): whether the row's trial dominates the column's; see also `domain.pareto.dominates`."""
    no_worse = np.ones((len(losses), len(losses)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in losses.T:
        no_worse &= column[:, None] <= column[None, :]
        better |= column[:, None] < column[None, :]
    less = violation[:, None] < violation[None, :]
    same = violation[:, None] == violation[None, :]
    result: NDArray[np.bool_] = less | (same & no_worse & better)
    return result


def crowding(losses: Floats) -> Floats:
    """Return the crowding distance (n,) of the trials of one front: infinite at the ends of each objective."""
    n = len(losses)
    distance = np.zeros(n)
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        # Halves, since a difference of huge values may overflow.
        ranked = column[order] / 2
        distance[order[[0, -1]]] = np.inf
        width = ranked[-1] - ranked[0]
        if n > 2 and width > 0:
            distance[order[1:-1]] += (ranked[2:] - ranked[:-2]) / width
    return distance
